"""vLLM's processors of requests, made to send images of one frame, or as they were decoded."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor
from vllm.multimodal.inputs import MultiModalFieldConfig

from engine_ext.pixels import processors
from engine_ext.pixels.decoded import is_small, pixels_of, without_pixels
from engine_ext.vllm.features import features
from engine_ext.vllm.patch import FORM, GRIDS, ROWS, Patch
from engine_ext.vllm.sent import patch_sent, say_what_is_sent, written_once

SHAPES = "engine_ext_shapes"
"""Of what an image processor gives as `ROWS` in one dimension: one shape for each image."""


def send_pixels(override: Any) -> None:
    """Have the processor of a model's class send images of one frame, or as decoded."""
    factories = override._processor_factory
    override._processor_factory = replace(
        factories,
        info=_asking(factories.info, "resize" in features()),
        processor=_sending(factories.processor),
    )


def say_as_before(override: Any, reason: str) -> None:
    """Have a process that makes a processor of a model's class say that it is stock's.

    Not one that asks its ``info`` alone, as commands do that start API servers or engines.
    """
    factories = override._processor_factory

    def processor(*args: Any, **kwargs: Any) -> Any:
        say_what_is_sent(why_not=reason)
        return factories.processor(*args, **kwargs)

    override._processor_factory = replace(factories, processor=processor)


@cache
def _asking(stock: Any, are_decoded: bool) -> Any:
    class Asking(stock):  # type: ignore[misc]
        def get_hf_processor(self, *args: Any, **kwargs: Any) -> Any:
            processor = super().get_hf_processor(*args, **kwargs)
            if (patch := patch_sent(self, processor)) is None:
                return processor
            # Copies: vLLM keeps one processor of a model for all that a process does with it.
            processor = copy(processor)
            images = processor.image_processor
            images = processors.with_settings(images, written_once(images))
            processor.image_processor = Decoded(images, patch) if are_decoded else images
            return processor

    return _named_as(stock, Asking)


@cache
def _sending(stock: Any) -> Any:
    class Sending(stock):  # type: ignore[misc]
        def _get_mm_fields_config(self, hf_inputs: Any, *args: Any, **kwargs: Any) -> Any:
            # All that a processor gives for a request passes here before it is cut into items.
            found = super()._get_mm_fields_config(hf_inputs, *args, **kwargs)
            if not isinstance(rows := hf_inputs.get(ROWS), Tensor):
                return found
            if (patch := patch_sent(self.info, self.info.get_hf_processor())) is None:
                return found
            hf_inputs[ROWS] = _by_image(rows, hf_inputs.pop(SHAPES, None), hf_inputs[GRIDS], patch)
            hf_inputs[FORM] = torch.zeros(len(hf_inputs[GRIDS]), dtype=torch.uint8)
            each = MultiModalFieldConfig.batched("image")
            return {**found, ROWS: each, FORM: each}

    return _named_as(stock, Sending)


def _named_as(stock: Any, made: Any) -> Any:
    made.__name__, made.__qualname__ = stock.__name__, stock.__qualname__
    return made


def _by_image(rows: Tensor, shapes: Tensor | None, grids: Tensor, patch: Patch) -> list[Tensor]:
    if shapes is None:
        return list(torch.split(patch.first_frame(rows), grids.prod(-1).tolist()))
    sizes = shapes.tolist()
    parts = torch.split(rows, [a * b * c for a, b, c in sizes])
    return [part.view(size) for part, size in zip(parts, sizes, strict=True)]


class Decoded:
    """An image processor that gives pictures as they were decoded, where it can.

    Their bytes one after the other, and `SHAPES`: of a picture where it is small, of its rows of
    one frame otherwise.
    """

    def __init__(self, stock: Any, patch: Patch) -> None:
        self.stock, self.patch = stock, patch

    def __getattr__(self, name: str) -> Any:
        if name in ("stock", "patch"):  # a copy that is being made
            raise AttributeError(name)
        return getattr(self.stock, name)

    def __call__(self, images: Any, **call: Any) -> Any:
        pictures = images if isinstance(images, list) else [images]
        made = without_pixels(self.stock, pictures, call)
        if made is None:
            return self.stock(images, **call)
        found = [
            self._sent(picture, grid, call)
            for picture, grid in zip(pictures, made[GRIDS].tolist(), strict=True)
        ]
        made[ROWS] = (
            torch.cat([one.flatten() for one in found]) if found[1:] else found[0].flatten()
        )
        made[SHAPES] = torch.tensor([one.shape for one in found])
        return made

    def _sent(self, picture: Any, grid: list[int], call: dict[str, Any]) -> Tensor:
        if is_small(picture, grid, self.patch.side):
            return pixels_of(picture)
        return self.patch.first_frame(self.stock([picture], **call)[ROWS])
