"""Pixels straight into the projection: rescaling and normalising folded into its kernel.

A processor makes of each pixel ``u`` (0 to 255) the value ``(u * rescale - mean) / std`` of its
channel, and writes a still image once for each frame of the kernel. Both are linear ahead of a
linear map, so one frame of raw pixels and another kernel give the same sum:

    sum over t of W[t] * (u * rescale - mean) / std  =  (u - c) * W' + b'
    W' = rescale / std * sum over t of W[t]
    b' = b + sum over all of W * (c * rescale - mean) / std

for any ``c``. With the integer nearest to ``mean / rescale``, ``u - c`` has no more than 8 bits: it
is exact in bfloat16, and about as small as the normalised value, so nothing cancels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

BRIGHTEST = 255


class NotFoldable(ValueError):
    """What a processor does to pixels is no rescaling and normalising of 8-bit channels."""


@dataclass(frozen=True)
class Normalisation:
    """What a processor does to each pixel: ``(u * rescale - mean) / std``, channel by channel.

    Raises:
        NotFoldable: values that are not finite, a ``std`` or ``rescale`` of zero or less, other
            numbers of means than of deviations, or a mean no pixel can have.
    """

    rescale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        values = torch.tensor([self.rescale, *self.mean, *self.std], dtype=torch.float64)
        if len(self.mean) != len(self.std) or not self.mean:
            raise NotFoldable(
                f"{len(self.mean)} means and {len(self.std)} standard deviations, expected one of"
                " each for every channel"
            )
        if not bool(values.isfinite().all()) or min(self.rescale, *self.std) <= 0:
            raise NotFoldable(
                f"rescale {self.rescale}, std {self.std}: expected finite numbers above zero, and"
                f" a finite mean, found {self.mean}"
            )
        if not all(0 <= mean / self.rescale <= BRIGHTEST for mean in self.mean):
            raise NotFoldable(
                f"mean {self.mean} with rescale {self.rescale}: expected a pixel value from 0 to"
                f" {BRIGHTEST} for every channel"
            )

    @property
    def centre(self) -> tuple[int, ...]:
        """The pixel value nearest to the mean of each channel."""
        return tuple(round(mean / self.rescale) for mean in self.mean)


@dataclass(frozen=True)
class StillKernel:
    """The projection of one frame of raw pixels.

    Args:
        weight: (D, C*P*P), in the dtype of the projection.
        bias: (D,).
        centre: (C, 1), what is taken from the pixels of each channel.
    """

    weight: Tensor
    bias: Tensor
    centre: Tensor

    def __call__(self, pixels: Tensor) -> Tensor:
        """Project patches of one frame.

        Args:
            pixels: (N, C*P*P), channel-major: 0 to 255 as uint8, or as the same numbers in a dtype
                that holds them.

        Returns:
            (N, D), in the dtype of the projection.
        """
        channels = len(self.centre)
        centred = pixels.view(len(pixels), channels, -1).to(self.weight.dtype) - self.centre
        return F.linear(centred.view(len(pixels), -1), self.weight, self.bias)


def fold(weight: Tensor, bias: Tensor | None, normalisation: Normalisation) -> StillKernel:
    """The kernel that takes raw pixels of a still, for a projection of normalised patches.

    Computed in float64 and rounded once. It takes ``D*C*P*P`` values of the weight's dtype beside
    the projection: half of what the projection itself takes, for two frames.

    Args:
        weight: (D, C, T, P, P), as it serves normalised patches.
        bias: (D,), or None.

    Raises:
        NotFoldable: the projection has another number of channels.
    """
    channels = weight.shape[1]
    if len(normalisation.mean) != channels:
        raise NotFoldable(
            f"the processor normalises {len(normalisation.mean)} channels, the projection has"
            f" {channels}"
        )

    def per_channel(values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=weight.device)[:, None]

    mean, std = per_channel(normalisation.mean), per_channel(normalisation.std)
    centre = per_channel(normalisation.centre)
    summed = weight.detach().double().sum(2).flatten(2)  # (D, C, P*P)
    offset = (summed * ((centre * normalisation.rescale - mean) / std)).sum((1, 2))
    if bias is not None:
        offset = offset + bias.detach().double()
    kernel = round_keeping_sums(summed * (normalisation.rescale / std), weight.dtype)
    return StillKernel(kernel.flatten(1), offset.to(weight.dtype), centre.to(weight.dtype))


def round_keeping_sums(exact: Tensor, dtype: torch.dtype) -> Tensor:
    """``exact``, (..., n) in float64, in ``dtype``, so that sums over n are kept.

    Rounding each number for itself leaves a sum of n of them off by about the root of n roundings,
    and a patch of a photograph is mostly its mean: that sum times a constant. So of the numbers
    that were nearly rounded the other way as many are as make up for it; the rest of the error,
    which is what noise meets, stays what it was.
    """
    rounded = exact.to(dtype)
    nearest = rounded.double()
    error = exact - nearest
    missing = error.sum(-1, keepdim=True)
    toward = torch.where(error > 0, torch.inf, -torch.inf).to(dtype)
    neighbour = torch.nextafter(rounded, toward)
    step = neighbour.double() - nearest
    # Only numbers whose other neighbour lies on the side that the sum lacks.
    helps = (step * missing > 0) & (error != 0)
    cost = torch.where(helps, 1 - 2 * (error / step), torch.inf)
    order = cost.argsort(-1)
    size = torch.where(helps, step.abs(), 0).gather(-1, order)
    chosen = (size.cumsum(-1) - size / 2 < missing.abs()) & (size > 0)
    changed = torch.zeros_like(chosen).scatter(-1, order, chosen)
    return torch.where(changed, neighbour, rounded)
