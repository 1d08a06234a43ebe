"""Is the product of a layer's weights the convolution of its weights?

A wrong flatten order gives fluent nonsense, not a crash (sglang #20462), and a loader may have
missed the weights. So they are looked at, and a fixed probe goes through ``F.conv3d`` and through
the layer. The probe runs on the CPU, in float64, from a copy: no setting of an engine (TF32,
deterministic kernels, autocast) and no device has a say in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine_ext.patch_embed.conv import PatchConv3d
from engine_ext.patch_embed.geometry import NotAPatchProjection, PatchGeometry

GRID = (2, 2, 2, 2)
"""Patches of the probe: frames, and patches along time, height and width in each."""
CHANNELS_AT_ONCE = 128
TOLERANCE = 1e-9
"""Largest relative difference that is rounding in float64, which is about 1e-16. One wrong weight
in a real projection is about 1e-3."""


class VerificationError(RuntimeError):
    """A projection must not be used; the message says which, what was found and expected."""


@dataclass(frozen=True)
class Verification:
    """Outcome of a probe: ``difference`` is norm(product - convolution) / norm(convolution)."""

    difference: float


@torch.no_grad()
def verify(layer: nn.Module, name: str = "projection") -> Verification:
    """Compare the product of ``layer``'s weights with ``F.conv3d`` over them, on a fixed probe.

    Args:
        layer: a `PatchConv3d`, or a convolution that is to become one.
        name: of the layer, for messages.

    Raises:
        VerificationError: weights that are not loaded, not finite, zero or of the wrong shape, or
            a difference that is not rounding.
    """
    check_weights(layer, name)
    try:
        patches = _probe(PatchGeometry.of(layer))
    except NotAPatchProjection as reason:
        raise VerificationError(f"{name}: {reason}") from None
    difference = total = 0.0
    # A few output channels at a time: their copies are small beside the model.
    for weight, bias in _slices(layer):
        expected = _convolve(layer, patches, weight, bias)
        found = _multiply(layer, patches, weight, bias)
        if found.shape != expected.shape:
            raise _not_the_convolution(
                name, layer, f"it makes {tuple(found.shape)}", f"{tuple(expected.shape)}"
            )
        difference += float((found - expected).square().sum())
        total += float(expected.square().sum())
    relative = math.sqrt(difference / total)
    if not relative <= TOLERANCE:  # what is not a number is no rounding either
        raise _not_the_convolution(
            name, layer, f"relative difference {relative:.3g}", f"at most {TOLERANCE:g}"
        )
    return Verification(relative)


def check_weights(layer: nn.Module, name: str) -> None:
    """Refuse weights that cannot have come from a checkpoint.

    Raises:
        VerificationError: a parameter without data (`has_data`), of the wrong shape or dtype, with
            values that are not finite, or a weight that is zero throughout.
    """
    conv: Any = layer
    expected: dict[str, tuple[int, ...]] = {
        "weight": (conv.out_channels, conv.in_channels, *conv.kernel_size)
    }
    if conv.bias is not None:
        expected["bias"] = (conv.out_channels,)
    for parameter, shape in expected.items():
        _check_parameter(f"{name}.{parameter}", getattr(conv, parameter), shape)
    if not conv.weight.any():
        raise VerificationError(
            f"{name}.weight: all {conv.weight.numel()} values are zero, expected the trained"
            f" weights of shape {expected['weight']}: it was never loaded"
        )


def has_data(value: Tensor) -> bool:
    """Whether the values of a parameter are here now.

    Those of a model on the meta device are not, and FSDP1 frees the storage that the parameters of
    a rank are views of (``use_orig_params=False``) until the model is called.
    """
    return not value.is_meta and bool(value.untyped_storage().nbytes() or not value.numel())


def _check_parameter(name: str, value: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(value.shape) != shape:
        raise VerificationError(f"{name}: found shape {tuple(value.shape)}, expected {shape}")
    if not value.is_floating_point():
        raise VerificationError(f"{name}: found {value.dtype}, expected a floating-point dtype")
    if not has_data(value):
        where = "meta device" if value.is_meta else "its storage is freed"
        raise VerificationError(f"{name}: found no data ({where}), expected loaded weights")
    # The extremes are not finite if any value is not; torch.isfinite would copy the weight thrice.
    if not all(extreme.isfinite() for extreme in torch.aminmax(value.detach())):
        broken = int(value.numel() - torch.isfinite(value).sum())
        raise VerificationError(
            f"{name}: {broken} of {value.numel()} values are not finite, expected loaded weights"
            f" of shape {shape}: it was never loaded, or only in part, or the checkpoint is damaged"
        )


def _not_the_convolution(
    name: str, layer: nn.Module, found: str, expected: str
) -> VerificationError:
    weight: Any = layer.weight
    return VerificationError(
        f"{name}: the product is not the convolution of its weights: {found}, expected {expected}"
        f" (weight {tuple(weight.shape)}, patches of {tuple(weight.shape[1:])})"
    )


def _probe(geometry: PatchGeometry) -> Tensor:
    """The same frames every time, (N, C, frames, height, width), of GRID patches."""
    generator = torch.Generator().manual_seed(0)
    count, *grid = GRID
    sides = [cells * size for cells, size in zip(grid, geometry.kernel_size, strict=True)]
    # Dtype and device are named because engines load models under other defaults.
    shape = (count, geometry.in_channels, *sides)
    return torch.randn(shape, generator=generator, dtype=torch.float64, device="cpu")


def _slices(layer: nn.Module) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Copies of weight and bias of so many output channels at a time: float64, on the CPU."""
    conv: Any = layer

    def copied(parameter: Tensor) -> Tensor:
        return parameter.detach()[these].to("cpu", torch.float64)

    for start in range(0, conv.out_channels, CHANNELS_AT_ONCE):
        these = slice(start, start + CHANNELS_AT_ONCE)
        yield copied(conv.weight), None if conv.bias is None else copied(conv.bias)


def _multiply(layer: nn.Module, frames: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    own = type(layer) if isinstance(layer, PatchConv3d) else PatchConv3d
    return own._conv_forward(layer, frames, weight, bias)  # type: ignore[arg-type]


def _convolve(layer: nn.Module, frames: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """With the layer's own stride and padding, which the product does not look at."""
    conv: Any = layer
    # Contiguous, so that the reference does not share a fault of the layout.
    return F.conv3d(
        frames, weight.contiguous(), bias, conv.stride, conv.padding, conv.dilation, conv.groups
    )
