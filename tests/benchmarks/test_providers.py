"""Every implementation that is timed computes the projection."""

import pytest
import torch

from benchmarks.patch_embed.providers import (
    CONV,
    LINEAR,
    TOLERANCES,
    Differs,
    convolution,
    difference,
    providers,
)
from benchmarks.patch_embed.shapes import SHAPES, Shape
from benchmarks.record import OURS

SMALL = [
    Shape("with a bias", 8, (3, 2, 4, 4), True),
    Shape("without", 8, (3, 2, 4, 4), False),
]


@pytest.mark.parametrize("shape", SMALL, ids=lambda shape: shape.models)
@pytest.mark.parametrize("dtype", TOLERANCES)
def test_each_gives_the_projection(shape, dtype):
    conv = convolution(shape, "cpu", getattr(torch, dtype))
    patches = torch.randn(5, shape.columns, dtype=conv.weight.dtype)
    layers = dict(providers(shape, conv))
    assert {CONV, LINEAR, OURS} <= layers.keys()
    for name, layer in layers.items():
        assert layer(patches).shape == (5, shape.width)
        assert difference(name, layer, conv, patches) <= TOLERANCES[dtype]


def test_one_that_does_not_ends_the_run():
    conv = convolution(SMALL[0], "cpu", torch.float32)
    patches = torch.randn(5, SMALL[0].columns)
    with pytest.raises(Differs, match="a wrong one differs from float64 by"):
        difference(
            "a wrong one", lambda rows: -dict(providers(SMALL[0], conv))[OURS](rows), conv, patches
        )


def test_shapes_are_listed_once():
    assert len({shape.shown for shape in SHAPES}) == len(SHAPES)
