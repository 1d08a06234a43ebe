"""What a model of SGLang does with rows of pixels: it gives itself the processor's own rows.

An item of pixels brings all that is needed for it: what the processor makes of a value, and how
wide its rows are. So nothing has to be known here, and a model takes items of either form.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from engine_ext.pixels import PixelValues, restore
from engine_ext.pixels.decoded import compact_rows

VALUES, ROW_WIDTH = "engine_ext_values", "engine_ext_row_width"
"""What an item of pixels says beside its rows: `PixelValues.packed`, and C*T*P*P."""
CUT = "engine_ext_cut"
"""What one says beside an image as it was decoded: P, and patches on a side of a token."""


def restored(items: Sequence[Any], model: Any) -> list[Any]:
    """The items of a batch, those of pixels with the rows that stock would have sent."""
    return [_restored(item, model) for item in items]


def _restored(item: Any, model: Any) -> Any:
    packed = item.model_specific_data.get(VALUES)
    if packed is None or is_a_clients(item):
        return item
    # The item stays as it is: SGLang may keep it, and encode it again.
    found = copy.copy(item)
    pixels = item.feature
    visual = getattr(model, "visual", None)
    if (device := getattr(visual, "device", None)) is not None:
        pixels = pixels.to(device, non_blocking=True)
    # SGLang's buffer of features on a GPU (SGLANG_MM_BUFFER_SIZE_MB) holds them as float32.
    pixels = pixels.to(torch.uint8)
    if (cut := item.model_specific_data.get(CUT)) is not None:
        (grid,) = item.model_specific_data["image_grid_thw"].tolist()
        pixels = compact_rows(pixels, grid, *cut)
    values = _on(pixels.device, packed.dtype, tuple(packed.shape), packed.cpu().numpy().tobytes())
    dtype = getattr(visual, "dtype", None)
    found.feature = restore(pixels, values, item.model_specific_data[ROW_WIDTH], dtype)
    return found


def is_a_clients(item: Any) -> bool:
    """Whether a client has processed it, whose words are all that it says beside its rows."""
    from sglang.srt.managers.schedule_batch import MultimodalInputFormat

    return bool(item.format != MultimodalInputFormat.NORMAL)


@lru_cache(maxsize=8)
def _on(
    device: torch.device, dtype: torch.dtype, shape: tuple[int, ...], packed: bytes
) -> PixelValues:
    """Of a processor, on a device; kept, so that an item costs no small copies."""
    values: Tensor = torch.frombuffer(bytearray(packed), dtype=dtype).view(shape)
    return PixelValues.unpacked(values).to(device)
