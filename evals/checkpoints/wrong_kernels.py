"""Wrong kernels of a patch embedding: the mistakes in turning a convolution into a matrix product.

Each makes a kernel `(D, C, T, P, P)` from the right one, of its shape and dtype. Every table of
faults takes them from here, under the names by which its results were published.
"""

import torch
from torch import Tensor


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
