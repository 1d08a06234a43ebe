"""Is the replacement the same function as the convolution it replaced?

A wrong flatten order, a missed copy or a stale view gives fluent nonsense, not a crash
(sglang #20462). So the weights are looked at, and a fixed probe goes through ``F.conv3d`` and
through the replacement's own forward, before anything is served.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from engine_ext.patch_embed.linear import PatchLinear

PROBE_PATCHES = 16
CHANNELS_AT_ONCE = 128
TOLERANCE = 1e-5
"""Largest relative difference that is rounding. Float32 rounding is 5e-7 to 1e-6 at real sizes; one
wrong kernel in 1536 is 3e-2, one wrong weight in a real projection about 1e-3."""


class VerificationError(RuntimeError):
    """A projection must not serve; the message names it, what was found and what was expected."""


@dataclass(frozen=True)
class Verification:
    """Outcome of a probe: ``difference`` is norm(replacement - conv) / norm(conv)."""

    difference: float
    dtype: str


def verify(projection: PatchLinear, name: str = "projection") -> Verification:
    """Compare ``projection`` with ``F.conv3d`` over the same weights on a fixed probe.

    The probe runs on the device that holds the weights (CPU or CUDA), in float32. Where that
    exceeds the tolerance it is repeated in float64: GPUs may run float32 products in TF32, by a
    setting that belongs to the engine, and float64 has no reduced mode. A real fault fails both.

    Raises:
        VerificationError: weights that are not loaded, not finite or of the wrong shape, or a
            difference that is not rounding.
    """
    check_weights(projection, name)
    for dtype in (torch.float32, torch.float64):
        difference = _relative_difference(projection, dtype)
        if difference <= TOLERANCE:
            return Verification(difference, str(dtype).removeprefix("torch."))
    geometry = projection.geometry
    raise VerificationError(
        f"{name}: the matrix product is not the convolution it replaces: relative difference "
        f"{difference:.3g}, expected at most {TOLERANCE:g} "
        f"(weight {geometry.weight_shape}, {PROBE_PATCHES} patches of {geometry.patch_shape})"
    )


def check_weights(projection: PatchLinear, name: str) -> None:
    """Refuse weights that cannot have come from a checkpoint.

    Raises:
        VerificationError: a parameter on the meta device, of the wrong shape or dtype, with values
            that are not finite, or a weight that is zero throughout.
    """
    geometry = projection.geometry
    expected: dict[str, tuple[int, ...]] = {"weight": geometry.weight_shape}
    if geometry.has_bias:
        expected["bias"] = (geometry.out_channels,)
    for parameter_name, shape in expected.items():
        _check_parameter(f"{name}.{parameter_name}", getattr(projection, parameter_name), shape)
    if not projection.weight.any():
        raise VerificationError(
            f"{name}.weight: all {projection.weight.numel()} values are zero, expected the trained "
            f"weights of shape {geometry.weight_shape}: it was never loaded"
        )


def _check_parameter(name: str, value: Tensor | None, shape: tuple[int, ...]) -> None:
    if value is None:
        raise VerificationError(f"{name}: found none, expected shape {shape}")
    if tuple(value.shape) != shape:
        raise VerificationError(f"{name}: found shape {tuple(value.shape)}, expected {shape}")
    if not value.is_floating_point():
        raise VerificationError(f"{name}: found {value.dtype}, expected a floating-point dtype")
    if value.is_meta:
        raise VerificationError(f"{name}: found no data (meta device), expected loaded weights")
    # The extremes are not finite if any value is not; torch.isfinite would copy the weight thrice.
    if not all(extreme.isfinite() for extreme in torch.aminmax(value.detach())):
        broken = int(value.numel() - torch.isfinite(value).sum())
        raise VerificationError(
            f"{name}: {broken} of {value.numel()} values are not finite, expected loaded weights "
            f"of shape {shape}: it was never loaded, or only in part, or the checkpoint is damaged"
        )


@torch.no_grad()
def _relative_difference(projection: PatchLinear, dtype: torch.dtype) -> float:
    geometry, device = projection.geometry, projection.weight.device
    if device.type not in ("cpu", "cuda"):
        device = torch.device("cpu")  # other accelerators may lack float64 or a full float32
    generator = torch.Generator().manual_seed(0)
    # The dtype is named because engines load models under another default dtype.
    probe = torch.randn(
        PROBE_PATCHES, geometry.row_width, generator=generator, dtype=torch.float32, device="cpu"
    ).to(device, dtype)
    patches = probe.view(-1, *geometry.patch_shape)
    difference = total = 0.0
    # A few output channels at a time: their copies in another dtype are small beside the model.
    for weight, bias in _slices(projection):
        # Always contiguous here, so that the reference does not share a layout fault.
        values = weight.to(device, dtype).contiguous()
        parameters = {"weight": _in_layout_of(weight, values)}
        if bias is not None:
            bias = parameters["bias"] = bias.to(device, dtype)
        reference = F.conv3d(patches, values, bias, stride=geometry.kernel_size).flatten(1)
        replacement = functional_call(projection, parameters, (probe,))
        difference += float((replacement - reference).square().sum())
        total += float(reference.square().sum())
    return math.sqrt(difference / total)


def _slices(projection: PatchLinear) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Weight and bias of so many output channels at a time."""
    bias = projection.bias
    for start in range(0, projection.geometry.out_channels, CHANNELS_AT_ONCE):
        these = slice(start, start + CHANNELS_AT_ONCE)
        yield projection.weight.detach()[these], None if bias is None else bias.detach()[these]


def _in_layout_of(original: Tensor, values: Tensor) -> Tensor:
    """``values`` with the strides of ``original``: the replacement is probed as it will run."""
    laid_out = torch.empty_strided(
        original.shape, original.stride(), dtype=values.dtype, device=values.device
    )
    return laid_out.copy_(values)
