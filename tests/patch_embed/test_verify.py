"""verify lets rounding pass and stops everything else, naming what it found."""

import pytest
import torch
from torch import nn

from engine_ext.patch_embed import PatchLinear, VerificationError, linear, verify
from engine_ext.patch_embed.verify import TOLERANCE
from evals.checkpoints import wrong_kernels


def projection(dtype=torch.float32, bias=True):
    torch.manual_seed(0)
    conv = nn.Conv3d(3, 64, (2, 14, 14), (2, 14, 14), bias=bias)
    return PatchLinear.from_conv(conv).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_passes_a_right_projection_in_every_dtype(dtype):
    result = verify(projection(dtype))
    assert result.difference < TOLERANCE
    assert result.dtype == "float32"


def test_passes_whatever_the_default_dtype_is(monkeypatch):
    right = projection(torch.bfloat16)
    torch.set_default_dtype(torch.bfloat16)
    try:
        assert verify(right).difference < TOLERANCE
    finally:
        torch.set_default_dtype(torch.float32)


def test_passes_a_weight_in_another_memory_format():
    assert verify(projection().to(memory_format=torch.channels_last_3d)).difference < TOLERANCE


def test_reduced_float32_products_are_judged_in_float64(monkeypatch):
    """TF32 on a GPU rounds float32 products to 10 bits; nothing is wrong with the layer then."""
    full = linear.F.linear

    def tf32(rows, weight, bias=None):
        if rows.dtype == torch.float32:
            rows, weight = rows.bfloat16().float(), weight.bfloat16().float()
        return full(rows, weight, bias)

    monkeypatch.setattr(linear.F, "linear", tf32)
    result = verify(projection())
    assert result.dtype == "float64"
    assert result.difference < 1e-12


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(wrong_kernels.time_before_channels, id="time before channels"),
        pytest.param(wrong_kernels.channels_last, id="channels last"),
        pytest.param(wrong_kernels.rows_for_columns, id="height and width exchanged"),
        pytest.param(wrong_kernels.swapped_frames, id="frames exchanged"),
        pytest.param(wrong_kernels.random, id="never copied"),
        pytest.param(lambda w: torch.cat([w[:1] * 0, w[1:]]), id="one kernel missing"),
        pytest.param(lambda w: wrong_kernels.scaled(w, 1.001), id="a scale"),
    ],
)
def test_stops_a_product_with_another_matrix(monkeypatch, wrong):
    layer = projection()
    monkeypatch.setattr(
        PatchLinear,
        "_project",
        lambda self, rows: nn.functional.linear(rows, wrong(self.weight).flatten(1), self.bias),
    )
    with pytest.raises(VerificationError) as stopped:
        verify(layer, "visual.patch_embed.proj")
    for part in ("visual.patch_embed.proj", "(64, 3, 2, 14, 14)", "expected at most 1e-05"):
        assert part in str(stopped.value)


def test_stops_a_product_without_the_bias(monkeypatch):
    layer = projection()
    monkeypatch.setattr(
        PatchLinear,
        "_project",
        lambda self, rows: nn.functional.linear(rows, self.weight.flatten(1)),
    )
    with pytest.raises(VerificationError, match="relative difference"):
        verify(layer)


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
        (lambda p: setattr(p, "bias", None), r"proj\.bias: found none, expected shape \(64,\)"),
        (lambda p: p.to("meta"), r"proj\.weight: found no data \(meta device\)"),
        (
            lambda p: setattr(
                p, "weight", nn.Parameter(p.weight.to(torch.int8), requires_grad=False)
            ),
            r"proj\.weight: found torch\.int8, expected a floating-point dtype",
        ),
    ],
)
def test_stops_weights_no_checkpoint_can_have_given(damage, message):
    layer = projection()
    damage(layer)
    with pytest.raises(VerificationError, match=message):
        verify(layer, "proj")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stride": (2, 7, 7)}, "is no projection of patches"),
        ({"padding": (0, 1, 1)}, "is not the convolution it replaces"),
        ({"dilation": (1, 2, 2)}, "cannot compute|is no projection of patches"),
        ({"groups": 3}, "cannot compute"),
    ],
)
def test_a_convolution_that_is_none_of_patches_is_seen(settings, message):
    """Though on a single patch it may give the same."""
    wrong = projection()
    vars(wrong).update(settings)
    with pytest.raises(VerificationError, match=message):
        verify(wrong)


def test_the_forward_pass_is_probed_in_the_dtype_that_serves(monkeypatch):
    """A fault that only shows there: a matrix kept from before, in the dtype of the model."""
    wrong = projection(torch.bfloat16)
    kept = torch.randn_like(wrong.weight).flatten(1)
    right = linear.F.linear

    def stale(rows, weight, bias=None):
        return right(rows, kept if rows.dtype == torch.bfloat16 else weight, bias)

    monkeypatch.setattr(linear.F, "linear", stale)
    with pytest.raises(VerificationError, match="is not the convolution it replaces"):
        verify(wrong)


def test_a_replacement_that_cannot_compute_is_refused_by_name(monkeypatch):
    def fails(rows, weight, bias=None):
        raise RuntimeError("no kernel for this")

    monkeypatch.setattr(linear.F, "linear", fails)
    with pytest.raises(VerificationError, match="visual: the replacement cannot compute: no"):
        verify(projection(), "visual")
