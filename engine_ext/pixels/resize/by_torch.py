"""An image resized by operations of torch on whole numbers: slow, and for any device."""

from __future__ import annotations

import torch
from torch import Tensor

from engine_ext.pixels.resize.weights import weights_on


def resize_rows(image: Tensor, made: int) -> Tensor:
    """Along the middle dimension.

    Args:
        image: (outer, length, inner) uint8.

    Returns:
        (outer, made, inner) uint8.
    """
    found = weights_on(image.device, image.shape[1], made)
    found.wait()
    last = image.shape[1] - 1
    total = torch.full(
        (len(image), made, image.shape[2]), found.half, dtype=torch.int32, device=image.device
    )
    for neighbour, weight in enumerate(found.by_neighbour.to(torch.int32)):
        # Beyond the last the weight is zero.
        pixels = image.index_select(1, (found.first + neighbour).clamp_(max=last))
        total.addcmul_(pixels.to(torch.int32), weight[None, :, None])
    return total.bitwise_right_shift_(found.precision).clamp_(0, 255).to(torch.uint8)
