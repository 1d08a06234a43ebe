"""verify lets rounding pass and stops everything else, naming what it found."""

import pytest
import torch
from torch import nn

from engine_ext.patch_embed import PatchConv3d, VerificationError, conv, verify
from evals.checkpoints import damage


def projection(dtype=torch.float32, bias=True):
    torch.manual_seed(0)
    made = nn.Conv3d(3, 64, (2, 14, 14), (2, 14, 14), bias=bias)
    return PatchConv3d.put_in_place(made).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_passes_a_right_projection_in_every_dtype(dtype):
    assert verify(projection(dtype)).difference < 1e-12


def test_passes_a_convolution_that_is_to_become_one():
    assert verify(nn.Conv3d(3, 8, 2, 2)).difference < 1e-12


def test_passes_whatever_the_default_dtype_is():
    right = projection(torch.bfloat16)
    torch.set_default_dtype(torch.bfloat16)
    try:
        assert verify(right).difference < 1e-12
    finally:
        torch.set_default_dtype(torch.float32)


def test_passes_where_float32_products_are_rounded():
    """Torch may multiply float32 in fewer bits, by a setting that belongs to the engine."""
    torch.set_float32_matmul_precision("medium")
    try:
        assert verify(projection()).difference < 1e-12
    finally:
        torch.set_float32_matmul_precision("highest")


def test_passes_a_weight_in_another_memory_format():
    assert verify(projection().to(memory_format=torch.channels_last_3d)).difference < 1e-12


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(damage.time_before_channels, id="time before channels"),
        pytest.param(damage.channels_last, id="channels last"),
        pytest.param(damage.rows_for_columns, id="height and width exchanged"),
        pytest.param(damage.swapped_frames, id="frames exchanged"),
        pytest.param(damage.random, id="never copied"),
        pytest.param(lambda w: torch.cat([w[:1] * 0, w[1:]]), id="one kernel missing"),
        pytest.param(lambda w: damage.scaled(w, 1.00001), id="a scale"),
    ],
)
def test_stops_a_product_with_another_matrix(monkeypatch, wrong):
    right = conv.patch_product
    shape = (64, 3, 2, 14, 14)

    def product(frames, weight, bias):
        return right(frames, wrong(weight).reshape(weight.shape), bias)

    monkeypatch.setattr(conv, "patch_product", product)
    with pytest.raises(VerificationError) as stopped:
        verify(projection(), "visual.patch_embed.proj")
    for part in ("visual.patch_embed.proj", str(shape), "expected at most 1e-09"):
        assert part in str(stopped.value)


def test_stops_a_product_without_the_bias(monkeypatch):
    right = conv.patch_product
    monkeypatch.setattr(conv, "patch_product", lambda x, weight, bias: right(x, weight, None))
    with pytest.raises(VerificationError, match="relative difference"):
        verify(projection())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.weight.data[3].fill_(float("nan")), r"proj\.weight: 1176 of 75264 values"),
        (lambda p: p.weight.data[0, 0, 0, 0].fill_(float("inf")), r"proj\.weight: 14 of 75264"),
        (lambda p: p.bias.data.fill_(float("nan")), r"proj\.bias: 64 of 64 values"),
        (lambda p: p.weight.data.zero_(), r"proj\.weight: all 75264 values are zero"),
        (
            lambda p: setattr(p, "weight", nn.Parameter(p.weight.flatten(1))),
            r"proj\.weight: found shape \(64, 1176\), expected \(64, 3, 2, 14, 14\)",
        ),
        (
            lambda p: setattr(p, "bias", nn.Parameter(torch.zeros(63))),
            r"proj\.bias: found shape \(63,\), expected \(64,\)",
        ),
        (lambda p: p.to("meta"), r"proj\.weight: found no data \(meta device\)"),
        (
            lambda p: setattr(
                p, "weight", nn.Parameter(p.weight.to(torch.int8), requires_grad=False)
            ),
            r"proj\.weight: found torch\.int8, expected a floating-point dtype",
        ),
        (lambda p: setattr(p, "stride", (2, 7, 7)), r"proj: stride \(2, 7, 7\) is not the kernel"),
        (lambda p: setattr(p, "padding", (0, 1, 1)), r"proj: padding \(0, 1, 1\)"),
    ],
)
def test_stops_what_no_checkpoint_can_have_given(damage, message):
    layer = projection()
    damage(layer)
    with pytest.raises(VerificationError, match=message):
        verify(layer, "proj")
