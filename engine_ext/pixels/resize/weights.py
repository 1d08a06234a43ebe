"""The whole numbers by which torch resizes an image of uint8 on a CPU.

``torch.nn.functional.interpolate(..., mode="bicubic", antialias=True)`` of uint8 is arithmetic of
whole numbers: for each pixel of a row that is made, some neighbours of the row that is there, and
how much each counts, as int16. They depend on the two lengths alone.

Method: ATen/native/cpu/UpSampleKernel.cpp, ``_compute_index_ranges_int16_weights``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SUPPORT = 2.0  # of a cubic, in pixels on each side
SHARPNESS = -0.5  # of the cubic with antialiasing


@dataclass(frozen=True)
class Weights:
    """Of one length to another, on a device.

    Args:
        first: (made,) int32, the first neighbour of each pixel.
        by_neighbour: (neighbours, made) int16, zero beyond those that a pixel has.
        precision: a sum is shifted right by so many bits.
    """

    first: Tensor
    by_neighbour: Tensor
    precision: int
    copied: torch.cuda.Event | None = None
    """On a GPU: after which they are there."""

    def wait(self) -> None:
        """Have what this thread asks of the device next come after them; not the thread itself."""
        if self.copied is not None:
            self.copied.wait(torch.cuda.current_stream(self.first.device))

    @property
    def half(self) -> int:
        """What is added to a sum, so that shifting it rounds."""
        return 1 << (self.precision - 1)


@lru_cache(maxsize=512)
def weights_on(device: torch.device, length: int, made: int) -> Weights:
    """Of rows of ``length`` pixels, to rows of ``made``; kept, so that an image costs no copies.

    On a GPU nothing is waited for: `Weights.wait` before they are used.
    """
    scale = length / made
    support = SUPPORT * max(scale, 1.0)
    most = int(np.ceil(support)) * 2 + 1
    center = scale * (np.arange(made) + 0.5)
    first = np.maximum((center - support + 0.5).astype(np.int64), 0)
    count = np.minimum((center + support + 0.5).astype(np.int64), length) - first
    count = np.clip(count, 0, most)
    neighbours = int(count.max())
    offsets = np.arange(neighbours)
    away = (offsets + first[:, None]) - center[:, None] + 0.5
    found = _cubic(away * (1.0 / scale if scale >= 1.0 else 1.0))
    found[offsets >= count[:, None]] = 0.0
    # Added up one after the other, as torch does: numpy's ``sum`` would add pairs.
    total = np.cumsum(found, axis=1)[:, -1:]
    np.divide(found, total, out=found, where=total != 0.0)
    precision = _precision(found.max())
    # To the nearest, a half away from zero.
    whole = (found * (1 << precision) + np.copysign(0.5, found)).astype(np.int16)
    whole[found == 0.0] = 0
    here = torch.from_numpy(first.astype(np.int32)), torch.from_numpy(whole.T.copy())
    if device.type != "cuda":
        return Weights(here[0].to(device), here[1].to(device), precision)
    starts, weights = (each.pin_memory().to(device, non_blocking=True) for each in here)
    return Weights(starts, weights, precision, torch.cuda.current_stream(device).record_event())


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    x, a = np.abs(x), SHARPNESS
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _precision(largest: float) -> int:
    """The most bits by which the largest weight fits into 16 with its sign, and a bit to spare."""
    for precision in range(22):
        if int(0.5 + largest * (1 << (precision + 1))) >= 1 << 15:
            return precision
    return 22
