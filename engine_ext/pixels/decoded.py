"""Images as they were decoded, and the processor's own rows of them where the model is.

Between an image and its rows a processor resizes, writes each frame of a patch, and cuts. None of
it needs to be done where requests are made ready: the size to which it resizes is all that a prompt
has to know, and it takes no pixel to find it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine_ext.pixels import processors
from engine_ext.pixels.resize import resized
from engine_ext.pixels.rows import compact_image
from engine_ext.pixels.values import STEPS, noise

BICUBIC = 3  # as Pillow numbers its ways to resize
MOST = 1.5
"""Bytes of an image for one of its compact rows, above which rows are sent."""
SETTINGS = frozenset({*processors.SETTINGS, "do_resize", "do_convert_rgb", "resample", "size"}) | {
    *("min_pixels", "max_pixels", "merge_size", "return_tensors", "device"),
}
"""Settings of a call of an image processor of which it is known what they mean to an image."""
PROBES = ((150, 250), (30, 47), (61, 700))
"""Sizes, (height, width), of pictures that a processor must resize as `resized` does."""
with warnings.catch_warnings():
    # Torch warns once of memory that may not be written: Pillow's bytes, which nobody here writes.
    warnings.simplefilter("ignore")
    torch.from_numpy(np.frombuffer(b"engine_ext", np.uint8))
_exact: dict[type, bool] = {}
"""Classes of image processors, and what `resizes_so` found."""


def pixels_of(picture: Any) -> Tensor:
    """(H, W, 3) uint8 of a picture of Pillow, to be read only."""
    return torch.from_numpy(np.asarray(picture))


def without_pixels(processor: Any, pictures: Sequence[Any], call: Mapping[str, Any]) -> Any | None:
    """What a processor gives for pictures of these sizes, its rows without memory behind them.

    None where its rows would not be the pixels of resized pictures, or resized otherwise than by
    `resized`.
    """
    asked = {name: call.get(name, getattr(processor, name, None)) for name in SETTINGS}
    is_of_pixels = not any(asked[name] for name in STEPS)
    is_known = call.keys() <= SETTINGS and asked["device"] in (None, "cpu")
    are_pictures = all(getattr(picture, "mode", "") == "RGB" for picture in pictures)
    if not (is_of_pixels and is_known and are_pictures and asked["resample"] == BICUBIC):
        return None
    sizes = [(processors.CHANNELS, picture.height, picture.width) for picture in pictures]
    # Of floats, which are resized without a cast and a clamp: on "meta" these take a millisecond.
    empty = [torch.empty(size, dtype=torch.float32, device="meta") for size in sizes]
    if not resizes_so(processor):
        return None
    return processor(images=empty, **{**call, "device": None})


def is_small(picture: Any, grid: Sequence[int], side: int) -> bool:
    """Whether a picture has at most `MOST` times the bytes of its compact rows."""
    return bool(picture.width * picture.height <= MOST * grid[1] * grid[2] * side**2)


def compact_rows(image: Tensor, grid: Sequence[int], side: int, merge: int) -> Tensor:
    """The rows of one frame that a processor cuts of an image, on the device of the image.

    Args:
        image: (H, W, 3) uint8, as it was decoded.
        grid: (frames, height, width) in patches.
        side: P, of a patch in pixels.
        merge: patches on a side of what becomes one token.

    Returns:
        (N, 3, P*P) uint8.
    """
    _, height, width = grid
    made = resized(image, height * side, width * side)
    cut = made.reshape(height // merge, merge, side, width // merge, merge, side, -1)
    return cut.permute(0, 3, 1, 4, 6, 2, 5).reshape(height * width, -1, side * side)


def resizes_so(processor: Any) -> bool:
    """Whether a processor's own rows of a few pictures are `compact_rows`; asked once a class."""
    kind = type(processor)
    if kind not in _exact:
        _exact[kind] = all(_is_exact(processor, *size) for size in PROBES)
    return _exact[kind]


def _is_exact(processor: Any, height: int, width: int) -> bool:
    picture = noise(height, width)
    call = {**processors.asked_for_pixels(processor), "do_resize": True, "resample": BICUBIC}
    made = processor(
        images=[picture], input_data_format="channels_last", return_tensors="pt", **call
    )
    (grid,) = made["image_grid_thw"].tolist()
    rows = compact_image(
        made["pixel_values"], processors.CHANNELS, processors.frames_written(processor)
    )
    if rows is None:
        return False
    image = torch.from_numpy(picture)
    return torch.equal(compact_rows(image, grid, processor.patch_size, processor.merge_size), rows)
