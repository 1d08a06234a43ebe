"""Rows of uint8 in a model of SGLang: the tower gives what stock gives of the processor's rows."""

from unittest.mock import patch

import pytest
import torch
from transformers import AutoProcessor

from engine_ext.pixels import processors, videos
from engine_ext.sglang import restoring
from evals import checkpoints
from evals.sglang_loader import load
from tests.engines.limits import families, with_pixels
from tests.engines.sglang.test_equality import features, patches_of

pytestmark = with_pixels


@pytest.fixture(scope="module", params=families())
def family(request):
    return request.param


@pytest.fixture(scope="module")
def models(family, extended):
    """Stock, and one that takes rows of uint8, in bfloat16."""
    path = str(checkpoints.path(family))
    stock = load(path)
    # The settings that SGLang has of this process are those of the first model loaded in it.
    from_files = patch.object(restoring, "_from_files", lambda auto: auto.from_pretrained(path))
    with extended("pixels"), from_files:
        return stock, load(path)


@pytest.mark.parametrize("kind", ["image", "video"])
def test_features_are_bit_identical(kind, family, models):
    stock, ours = models
    as_floats = AutoProcessor.from_pretrained(checkpoints.path(family))
    as_pixels = AutoProcessor.from_pretrained(checkpoints.path(family))
    processors.give_pixels(as_pixels.image_processor)
    videos.give_clips(as_pixels.video_processor)
    rows, grid = patches_of(as_floats, family)[kind]
    pixels, same_grid = patches_of(as_pixels, family)[kind]
    assert pixels.dtype == torch.uint8
    assert torch.equal(grid, same_grid)
    expected = features(stock, kind, rows, grid)
    assert torch.equal(features(ours, kind, pixels, grid), expected)
    assert torch.equal(features(ours, kind, rows, grid), expected)
