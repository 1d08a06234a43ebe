"""The identity of rows of pixels: what two items have in common only if they are the same item."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

FORM = b"engine_ext pixels 1"


def identity(modality: str, pixels: Tensor, grid: Tensor, values: Tensor) -> int:
    """64 bits of a SHA-256, as engines know an item by.

    The bytes alone would not do: those of an image and of a video, or of two grids of one colour,
    can be the same bytes. What a processor makes of them counts too, for caches that outlive it.

    Args:
        modality: `image` or `video`.
        pixels: (N, C, values) uint8.
        grid: (1, 3), in patches.
        values: of the processor, packed.
    """
    digest = hashlib.sha256(FORM)
    for tensor in (grid.to(torch.int64), values, pixels):
        flat = tensor.detach().cpu().contiguous()
        digest.update(f"|{modality} {flat.dtype} {tuple(flat.shape)}|".encode())
        digest.update(flat.reshape(-1).view(torch.uint8).numpy().data)
    return int.from_bytes(digest.digest()[:8], "big")
