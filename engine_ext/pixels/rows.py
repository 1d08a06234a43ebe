"""Rows of patches as uint8 pixels, and back to what the processor would have given.

A row of a processor holds one patch: C*T*P*P values, channel by channel, then frame by frame. An
image is written into it T times, and every value is four bytes for one byte of pixel. Compact
rows hold each pixel once, as it is; `restore` gives the processor's own rows, bit for bit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine_ext.pixels.values import PixelValues

AT_ONCE = {"cpu": 2**19, "cuda": 2**24}
"""Pixels restored at a time, so that what is held between the steps stays small (on a CPU, in its
cache, and not asked of the system for each part)."""


def compact_image(rows: Tensor, channels: int, frames: int) -> Tensor | None:
    """Each pixel of images once.

    Args:
        rows: (N, C*T*P*P), what a processor gives without rescaling and normalising.
        channels: C.
        frames: T, how often the processor writes an image.

    Returns:
        (N, C, P*P) uint8; None where a value is not a whole number from 0 to 255.
    """
    cut = rows.view(len(rows), channels, frames, -1)
    return as_bytes(cut[:, :, 0])


def compact_video(rows: Tensor, channels: int) -> Tensor | None:
    """Each pixel of videos, whose frames a processor writes once.

    Args:
        rows: (N, C*T*P*P), what a processor gives without rescaling and normalising.

    Returns:
        (N, C, T*P*P) uint8; None where a value is not a whole number from 0 to 255.
    """
    return as_bytes(rows.view(len(rows), channels, -1))


def restore(
    pixels: Tensor, values: PixelValues, row_width: int, dtype: torch.dtype | None = None
) -> Tensor:
    """The processor's own rows, on the device of ``pixels``.

    Args:
        pixels: (N, C, P*P) uint8 of images, or (N, C, T*P*P) of videos.
        values: of the processor, on that device.
        row_width: C*T*P*P.
        dtype: of the rows, by default the processor's; the bits are those of its rows cast to it.

    Returns:
        (N, C*T*P*P).

    Raises:
        ValueError: pixels of another shape or dtype.
    """
    channels = values.channels
    if pixels.dtype != torch.uint8 or pixels.dim() != 3 or pixels.shape[1] != channels:
        raise ValueError(
            f"expected uint8 pixels (N, {channels}, values), found {pixels.dtype} of shape"
            f" {tuple(pixels.shape)}"
        )
    repeats, rest = divmod(row_width, channels * pixels.shape[2])
    if rest or not repeats:
        raise ValueError(
            f"rows of {row_width} values cannot be made of {tuple(pixels.shape[1:])} pixels"
        )
    dtype = dtype or values.table.dtype
    shape = (len(pixels), channels, repeats, pixels.shape[2])
    rows = torch.empty(shape, dtype=dtype, device=pixels.device)
    once = max(1, AT_ONCE.get(pixels.device.type, 2**24) // max(1, pixels[:1].numel()))
    table = values.table.to(dtype).flatten()
    for start in range(0, len(pixels), once):
        part = pixels[start : start + once]
        made = _by_table(part, table) if values.affine is None else _by_affine(part, values.affine)
        rows[start : start + once] = made.unsqueeze(2)
    return rows.view(len(pixels), row_width)


def _by_affine(pixels: Tensor, affine: tuple[Tensor, Tensor]) -> Tensor:
    mean, std = affine
    # Converted by itself: torch's operations on two dtypes at once are not vectorised on a CPU.
    return pixels.to(mean.dtype).sub_(mean).div_(std)


def _by_table(pixels: Tensor, table: Tensor) -> Tensor:
    offsets = 256 * torch.arange(pixels.shape[1], dtype=torch.int32, device=pixels.device)
    return table[pixels.to(torch.int32).add_(offsets[:, None])]


def as_bytes(pixels: Tensor) -> Tensor | None:
    """The same pixels as uint8; None where one is not a whole number from 0 to 255."""
    if pixels.dtype == torch.uint8:
        return pixels.contiguous()
    found = pixels.to(torch.uint8)
    return found if torch.equal(found.to(pixels.dtype), pixels) else None
