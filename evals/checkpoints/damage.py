"""Damage to a patch embedding: wrong kernels, and copies of a checkpoint with a changed one.

Each wrong kernel `(D, C, T, P, P)` is made from the right one, of its shape and dtype: the mistakes
in turning a convolution into a matrix product.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from evals import checkpoints
from evals.checkpoints.copies import copy_with, kernel_of


def random(kernel: Tensor) -> Tensor:
    """Noise of the same mean and deviation, the same at each call."""
    noise = torch.randn(kernel.shape, generator=torch.Generator().manual_seed(0))
    return (noise * kernel.std() + kernel.mean()).to(kernel.dtype)


def time_before_channels(kernel: Tensor) -> Tensor:
    return kernel.permute(0, 2, 1, 3, 4).reshape(kernel.shape)


def channels_last(kernel: Tensor) -> Tensor:
    return kernel.permute(0, 2, 3, 4, 1).reshape(kernel.shape)


def rows_for_columns(kernel: Tensor) -> Tensor:
    return kernel.transpose(3, 4)


def blue_first(kernel: Tensor) -> Tensor:
    return kernel.flip(1)


def swapped_frames(kernel: Tensor) -> Tensor:
    return kernel.flip(2)


def first_frame_only(kernel: Tensor) -> Tensor:
    return torch.cat([kernel[:, :, :1], torch.zeros_like(kernel[:, :, 1:])], 2)


def scaled(kernel: Tensor, by: float = 1.1) -> Tensor:
    return kernel * by


WRONG_KERNELS: dict[str, Callable[[Tensor], Tensor]] = {
    "random kernel": random,
    "C and T exchanged before flattening": time_before_channels,
    "flattened channels-last": channels_last,
    "H and W transposed": rows_for_columns,
    "BGR": blue_first,
    "temporal halves swapped": swapped_frames,
    "first temporal slice only": first_frame_only,
    "scaled by 1.1": scaled,
}
"""By the names under which results are published."""

Weights = dict[str, Tensor]


def with_projection(family: str, target: Path, change: Callable[[Weights, str, str], None]) -> Path:
    """Copy a shipped checkpoint to ``target`` and let ``change`` edit its weights in place.

    Args:
        change: given all weights, and the names of the projection's kernel and of its bias, which
            not every family has.
    """

    def edit(weights: Weights) -> None:
        kernel = kernel_of(weights)
        change(weights, kernel, kernel.removesuffix("weight") + "bias")

    return copy_with(checkpoints.path(family), target, edit)
