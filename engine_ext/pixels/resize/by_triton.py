"""An image resized by one kernel: whole numbers in, whole numbers out, each pixel read in place."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from engine_ext.pixels.resize.weights import weights_on

BLOCK = 1024
"""Pixels of a row of the result, times what is beside each, that a program makes."""


# One kernel for images of any size: Triton would compile another for each way in which sizes are 1
# or multiples of 16, while a request waits.
@triton.jit(do_not_specialize=[*range(10)])
def _kernel(  # type: ignore[no-untyped-def]
    image,
    result,
    first,
    by_neighbour,
    length,
    made,
    inner,
    neighbours,
    half,
    precision,
    BLOCK: tl.constexpr,
):
    # No other annotations: compiling reads them, and knows none of Python's.
    blocks = tl.cdiv(made * inner, BLOCK)
    outer = (tl.program_id(0) // blocks).to(tl.int64)
    at = tl.program_id(0) % blocks * BLOCK + tl.arange(0, BLOCK)
    exists = at < made * inner
    pixel = at // inner
    start = tl.load(first + pixel, mask=exists, other=0)
    source = image + outer * length * inner + at % inner
    total = tl.zeros((BLOCK,), dtype=tl.int32) + half
    for neighbour in range(neighbours):
        weight = tl.load(by_neighbour + neighbour * made + pixel, mask=exists, other=0)
        index = tl.minimum(start + neighbour, length - 1)  # beyond the last the weight is zero
        value = tl.load(source + index.to(tl.int64) * inner, mask=exists, other=0)
        total += value.to(tl.int32) * weight.to(tl.int32)
    total = tl.minimum(tl.maximum(total >> precision, 0), 255)
    tl.store(result + outer * made * inner + at, total.to(tl.uint8), mask=exists)


def resize_rows(image: Tensor, made: int) -> Tensor:
    """As `by_torch.resize_rows`."""
    outer, length, inner = image.shape
    image = image.contiguous()
    found = weights_on(image.device, length, made)
    found.wait()
    result = torch.empty((outer, made, inner), dtype=torch.uint8, device=image.device)
    # Triton launches on the device of the thread.
    with torch.cuda.device_of(image):  # type: ignore[no-untyped-call]
        _kernel[(outer * triton.cdiv(made * inner, BLOCK),)](
            *(image, result, found.first, found.by_neighbour),
            *(length, made, inner, len(found.by_neighbour), found.half, found.precision),
            BLOCK=BLOCK,
        )
    return result
