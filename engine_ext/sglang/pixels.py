"""Rows of uint8 from SGLang's processors: one frame of an image, all frames of a video.

The tokenizer's process makes the processors of a model give pixels; the process that holds the
model (`restoring`) gives itself the rows that they would have given. What a client has processed
itself comes as before: its dtype and the width of a row tell them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from engine_ext.sglang.log import logger

# The core is imported where it is needed: SGLang calls the entry point in every process.

MAKES_PROCESSOR = "sglang.srt.managers.multimodal_processor.get_mm_processor"
PROCESSOR = "sglang.srt.multimodal.processors.base_processor.BaseMultimodalProcessor"


class NotPixels(ValueError):
    """A client has sent features of a width or dtype that the model does not take."""


def hook() -> None:
    """Register with SGLang's hooks (0.5.11 and newer)."""
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    HookRegistry.register(MAKES_PROCESSOR, before_processor, HookType.BEFORE)
    HookRegistry.register(
        f"{PROCESSOR}.preprocess_fingerprint_payload", mark_fingerprint, HookType.AFTER
    )
    HookRegistry.register(
        f"{PROCESSOR}.collect_mm_items_from_processor_output", check_items, HookType.AFTER
    )


def before_processor(
    hf_config: Any,
    server_args: Any,
    processor: Any,
    transport_mode: Any,
    model_config: Any = None,
    **_: Any,
) -> None:
    """Before ``get_mm_processor``: make the processors of the model give pixels."""
    from engine_ext.pixels import NotByValue, PixelValues, processors, videos

    try:
        if not _is_served_by_override(model_config):
            return
        processors.expect_known(processor.image_processor)
        PixelValues.of(processor.image_processor)
        processors.give_pixels(processor.image_processor)
        logger.info("engine_ext: images are sent as uint8, one frame of each")
        processors.expect_known(processor.video_processor, videos.KNOWN)
        PixelValues.of(processor.video_processor)
        videos.give_clips(processor.video_processor)
        logger.info("engine_ext: videos are sent as uint8")
    except NotByValue as error:
        logger.warning("engine_ext: the rest is sent as before: %s", error)
    except Exception:
        logger.exception("engine_ext: the rest is sent as before")


def _is_served_by_override(model_config: Any) -> bool:
    """Whether the process that holds the model will take pixels, as that process decides it.

    SGLang resolves the class here too. Its scheduler passes no ``model_config``: the processor
    that it makes only computes positions.
    """
    if model_config is None:
        return False
    from sglang.srt.model_loader.utils import get_model_architecture

    from engine_ext.sglang.overrides import is_for_text_alone, is_override
    from engine_ext.sglang.restoring import takes_pixels

    if is_for_text_alone(model_config.hf_config):
        return False
    model_class, architecture = get_model_architecture(model_config)
    return takes_pixels(architecture) and is_override(model_class)


def mark_fingerprint(payload: dict[str, Any], processor: Any, *_: Any) -> dict[str, Any]:
    """After ``preprocess_fingerprint_payload``: no cache takes pixels for anything else."""
    if not _gives_pixels(processor):
        return payload
    return {**payload, "engine_ext": "pixels"}


def check_items(items: Sequence[Any], processor: Any, *_: Any, **__: Any) -> None:
    """After items have been made of what a processor, or a client, gave.

    Raises:
        NotPixels: features that no projection of this model takes.
    """
    if not _gives_pixels(processor):
        return
    from engine_ext.pixels.processors import CHANNELS

    image_processor = processor._processor.image_processor
    frame = CHANNELS * image_processor.patch_size**2
    patch = frame * image_processor.temporal_patch_size
    video = patch if _gives_pixels(processor, "video_processor") else None
    for item in items:
        rows = getattr(item, "feature", None)
        if not isinstance(rows, Tensor) or not (item.is_image() or item.is_video()):
            continue
        raw = video if item.is_video() else frame
        is_raw = rows.dim() == 2 and rows.shape[1] == raw and rows.dtype == torch.uint8
        is_patch = rows.dim() == 2 and rows.shape[1] == patch and rows.is_floating_point()
        if not is_raw and not is_patch:
            raise NotPixels(
                f"features of shape {tuple(rows.shape)} in {rows.dtype}, expected (N, {patch})"
                " normalised in floating point"
                + ("" if raw is None else f", or (N, {raw}) raw pixels in uint8")
            )


def _gives_pixels(processor: Any, name: str = "image_processor") -> bool:
    from engine_ext.pixels.processors import gives_pixels

    return gives_pixels(getattr(processor._processor, name, None))
