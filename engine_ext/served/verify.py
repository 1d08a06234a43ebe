"""Is the replacement the same function as the convolution it replaced?

A wrong flatten order, a missed copy or a stale view gives fluent nonsense, not a crash
(sglang #20462). So the weights are looked at, and a fixed probe goes through ``F.conv3d`` and
through the replacement's own forward, before anything is served.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from engine_ext.patch_embed.linear import PatchLinear
from engine_ext.patch_embed.verify import Verification, VerificationError

GRID = (2, 2, 2, 2)
"""Patches of the probe: frames, and patches along time, height and width in each."""
PROBE_PATCHES = math.prod(GRID)
CHANNELS_AT_ONCE = 128
TOLERANCE = 1e-5
"""Largest relative difference that is rounding. Float32 rounding is 5e-7 to 1e-6 at real sizes; one
wrong kernel in 1536 is 3e-2, one wrong weight in a real projection about 1e-3."""
SERVED_TOLERANCE = 2e-3
"""The same for the forward pass as it serves, where its dtype does not ask for more: GPUs may run
float32 products in TF32, whose rounding is 5e-4."""


def verify(projection: PatchLinear, name: str = "projection") -> Verification:
    """Compare ``projection`` with ``F.conv3d`` over the same weights on a fixed probe.

    The probe runs on the device that holds the weights (CPU or CUDA), in float32. Where that
    exceeds the tolerance it is repeated in float64: GPUs may run float32 products in TF32, by a
    setting that belongs to the engine, and float64 has no reduced mode. A real fault fails both.
    Then it runs as it will serve, in the dtype of the weights, against their product in float32.

    Raises:
        VerificationError: weights that are not loaded, not finite or of the wrong shape, or a
            difference that is not rounding.
    """
    check_weights(projection, name)
    try:
        verification = _verify_function(projection, name)
        _verify_as_served(projection, name)
    except VerificationError:
        raise
    except (RuntimeError, ValueError) as error:
        raise VerificationError(f"{name}: the replacement cannot compute: {error}") from error
    return verification


def _verify_function(projection: PatchLinear, name: str) -> Verification:
    for dtype in (torch.float32, torch.float64):
        difference = _relative_difference(projection, name, dtype)
        if difference <= TOLERANCE:
            return Verification(difference, str(dtype).removeprefix("torch."))
    raise _not_the_convolution(projection, name, difference, TOLERANCE)


def _not_the_convolution(
    projection: PatchLinear, name: str, difference: float, tolerance: float
) -> VerificationError:
    geometry = projection.geometry
    return VerificationError(
        f"{name}: the matrix product is not the convolution it replaces: relative difference "
        f"{difference:.3g}, expected at most {tolerance:g} "
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
def _relative_difference(projection: PatchLinear, name: str, dtype: torch.dtype) -> float:
    patches = _probe(projection).to(_probe_device(projection), dtype)
    rows = patches.flatten(1)
    difference = total = 0.0
    # A few output channels at a time: their copies in another dtype are small beside the model.
    for weight, bias in _slices(projection):
        # Always contiguous here, so that the reference does not share a layout fault.
        values = weight.to(patches.device, dtype).contiguous()
        parameters = {"weight": _in_layout_of(weight, values)}
        if bias is not None:
            bias = parameters["bias"] = bias.to(patches.device, dtype)
        reference = _convolve(projection, name, patches, values, bias)
        replacement = functional_call(projection, parameters, (rows,))
        difference += float((replacement - reference).square().sum())
        total += float(reference.square().sum())
    return math.sqrt(difference / total)


@torch.no_grad()
def _verify_as_served(projection: PatchLinear, name: str) -> None:
    """The forward pass itself, over the weights in place, in their dtype and on their device."""
    weight = projection.weight.detach()
    patches = _probe(projection).to(weight.device, weight.dtype)
    found = projection(patches).flatten(1).float()
    difference = total = 0.0
    parts = found.split(CHANNELS_AT_ONCE, dim=1)
    for part, (values, offset) in zip(parts, _slices(projection), strict=True):
        exact = patches.flatten(1).float() @ values.flatten(1).float().T
        if offset is not None:
            exact += offset.float()
        difference += float((part - exact).square().sum())
        total += float(exact.square().sum())
    difference = math.sqrt(difference / total)
    tolerance = max(SERVED_TOLERANCE, 2 * torch.finfo(weight.dtype).eps)
    if not difference <= tolerance:  # a difference that is not a number is no rounding either
        raise _not_the_convolution(projection, name, difference, tolerance)


def _probe(projection: PatchLinear) -> Tensor:
    """The same patches every time: (PROBE_PATCHES, C, T, P, P), float32 on the CPU."""
    generator = torch.Generator().manual_seed(0)
    # The dtype is named because engines load models under another default dtype.
    shape = (PROBE_PATCHES, *projection.geometry.patch_shape)
    return torch.randn(shape, generator=generator, dtype=torch.float32, device="cpu")


def _probe_device(projection: PatchLinear) -> torch.device:
    """Where float32 is compared: other accelerators may lack float64 or a full float32."""
    device = projection.weight.device
    return device if device.type in ("cpu", "cuda") else torch.device("cpu")


def _convolve(
    projection: PatchLinear, name: str, patches: Tensor, weight: Tensor, bias: Tensor | None
) -> Tensor:
    """What the convolution makes of the patches, laid side by side in frames: (patches, D).

    With its own stride and padding, which only a projection of patches does not see.
    """
    frames, times, high, wide = GRID
    channels, depth, height, width = projection.geometry.patch_shape
    tiles = patches.view(frames, times, high, wide, channels, depth, height, width)
    video = tiles.permute(0, 4, 1, 5, 2, 6, 3, 7).reshape(
        frames, channels, times * depth, high * height, wide * width
    )
    found = F.conv3d(
        video,
        weight,
        bias,
        stride=projection.stride,
        padding=projection.padding,
        dilation=projection.dilation,
        groups=projection.groups,
    )
    expected = (frames, weight.shape[0], times, high, wide)
    if tuple(found.shape) != expected:
        raise VerificationError(
            f"{name}: the convolution it replaces is no projection of patches: it makes "
            f"{tuple(found.shape)} of {GRID} patches, expected {expected} "
            f"(stride {projection.stride}, padding {projection.padding}, "
            f"dilation {projection.dilation})"
        )
    return found.permute(0, 2, 3, 4, 1).flatten(0, 3)


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
