"""Images that SGLang knows by their content, sent as they were decoded."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from engine_ext.pixels.decoded import is_small, pixels_of, without_pixels
from engine_ext.sglang.asking import asking
from engine_ext.sglang.restoring import CUT
from engine_ext.sglang.sent import ROWS, Sent


class NotDecoded(Exception):
    """Some picture of a batch cannot be sent so."""


def as_decoded(
    prepare: Any, processor: Any, entries: Sequence[Any], kwargs: dict[str, Any], sent: Sent
) -> list[Any | None]:
    """The artifacts of pictures; None of those whose rows are smaller, or can be made alone.

    Args:
        prepare: SGLang's ``prepare_artifact_batch``.
        processor, kwargs: a copy of its processor that asks for pixels, and arguments of the call.
    """
    of_sizes, asked = asking(processor, kwargs, _without_pixels)
    try:
        made = prepare(of_sizes, entries, **asked)
    except NotDecoded:
        return [None] * len(entries)
    return [_sent(entry.media, one, sent) for entry, one in zip(entries, made, strict=True)]


def _sent(picture: Any, artifact: Any, sent: Sent) -> Any | None:
    (grid,) = artifact.model_specific_data["image_grid_thw"].tolist()
    side, _ = sent.cut
    if not is_small(picture, grid, side):
        return None
    return sent.artifact(artifact, pixels_of(picture), **{CUT: sent.cut})


def _without_pixels(processor: Any) -> Any:
    found = copy.copy(processor)
    found.image_processor = _WithoutPixels(processor.image_processor)
    return found


class _WithoutPixels:
    """An image processor that gives the grids of pictures, and rows of nothing."""

    def __init__(self, stock: Any) -> None:
        self.stock = stock

    def __call__(self, images: Sequence[Any], **call: Any) -> Any:
        made = without_pixels(self.stock, images, call)
        if made is None:
            raise NotDecoded
        name = ROWS["image"]
        made[name] = torch.empty((1, 1), dtype=torch.uint8).expand(len(made[name]), 1)
        return made
