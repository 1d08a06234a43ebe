"""What a patch projection is, and why a given convolution is not one.

A patch embedding applies a 3-D convolution whose stride equals its kernel: the windows it sees do
not overlap, so each output is one dot product between a patch and a kernel, and the whole layer is
one matrix product. Everything in this package rests on the conditions tested here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy


class NotAPatchProjection(ValueError):
    """The convolution is not a matrix product over patches; the message says why."""


@dataclass(frozen=True)
class PatchGeometry:
    """Sizes of a patch projection.

    ``kernel_size`` is (frames, height, width) in pixels; a patch is ``in_channels`` times that.
    """

    in_channels: int
    out_channels: int
    kernel_size: tuple[int, int, int]
    has_bias: bool

    @property
    def patch_shape(self) -> tuple[int, int, int, int]:
        """(C, T, P, P): one patch, in the memory order of the weight."""
        return (self.in_channels, *self.kernel_size)

    @property
    def row_width(self) -> int:
        """Values in one flattened patch: the columns of the matrix product."""
        return math.prod(self.patch_shape)

    @property
    def weight_shape(self) -> tuple[int, int, int, int, int]:
        """(D, C, T, P, P): the weight as checkpoints hold it."""
        return (self.out_channels, *self.patch_shape)

    @classmethod
    def of(cls, conv: nn.Module) -> PatchGeometry:
        """Read the geometry of a 3-D convolution layer.

        ``conv`` is an ``nn.Conv3d`` or any layer with its attributes.

        Raises:
            NotAPatchProjection: the layer is not a matrix product over patches.
        """
        reason = _why_not(conv)
        if reason is not None:
            raise NotAPatchProjection(reason)
        layer: Any = conv
        return cls(
            in_channels=int(layer.in_channels),
            out_channels=int(layer.out_channels),
            kernel_size=_triple(layer.kernel_size),
            has_bias=layer.bias is not None,
        )


def _why_not(conv: Any) -> str | None:
    """The first reason why ``conv`` is no patch projection, or None when it is one."""
    kernel, stride = _triple(conv.kernel_size), _triple(conv.stride)
    if stride != kernel:
        return f"stride {stride} is not the kernel {kernel}: its windows overlap or leave gaps"
    if kernel == (1, 1, 1):
        return "a 1x1x1 kernel mixes channels and cuts no patches"
    if conv.padding != "valid" and (isinstance(conv.padding, str) or any(_triple(conv.padding))):
        return f"padding {conv.padding!r}: it reads values that are not in the patch"
    if _triple(conv.dilation) != (1, 1, 1):
        return f"dilation {conv.dilation}: it skips values of the patch"
    if conv.groups != 1:
        return f"groups {conv.groups}: it is several products, not one"
    if is_lazy(conv.weight):
        return "a lazy layer: its weight has no shape yet"
    expected = (conv.out_channels, conv.in_channels, *kernel)
    if tuple(conv.weight.shape) != expected:
        return f"weight has shape {tuple(conv.weight.shape)}, expected {expected}"
    return None


def _triple(value: int | Iterable[int]) -> tuple[int, int, int]:
    """A convolution setting as three ints: PyTorch allows one int for all three axes."""
    frames, height, width = (value, value, value) if isinstance(value, int) else value
    return (int(frames), int(height), int(width))
