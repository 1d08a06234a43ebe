"""SGLang's processors of a request, made to send pixels: how they ask for them.

What a client has processed itself, and what is not of whole numbers from 0 to 255, comes as on
stock.
"""

from __future__ import annotations

import asyncio
import copy
import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from engine_ext.features import is_named
from engine_ext.pixels import (
    STEPS,
    NotByValue,
    PixelValues,
    compact_image,
    compact_video,
    processors,
)
from engine_ext.sglang.log import logger
from engine_ext.sglang.naming import knowing_content, name_items
from engine_ext.sglang.restoring import ROW_WIDTH, VALUES

ROWS = {"image": "pixel_values", "video": "pixel_values_videos"}
NEWER = (
    "prepare_artifact_batch",
    "preprocess_fingerprint_payload",
    "process_and_combine_mm_data_async",
)
"""Methods that not every version of SGLang's processors has."""


@dataclass(frozen=True)
class Sent:
    """How a processor of transformers gives pixels, and what a model needs to restore its rows.

    Args:
        settings: of a call.
        frames: as often is an image written then; None for videos.
        values: of the processor, packed.
        row_width: of the processor.
    """

    settings: Mapping[str, Any]
    frames: int | None
    values: Tensor
    row_width: int

    @classmethod
    def of(cls, processor: Any, kind: str, config: Mapping[str, Any]) -> Sent:
        """By an image or video processor of transformers.

        Args:
            config: what the launch sets of it (``--mm-process-config``).

        Raises:
            NotByValue: it cannot be restored what it does.
        """
        is_image = kind == "image"
        processors.expect_known(processor, processors.IMAGES if is_image else processors.VIDEOS)
        if asked := sorted(config.keys() & set(processors.SETTINGS)):
            raise NotByValue(f"the launch sets {', '.join(asked)}")
        return cls(
            processors.asked_for_pixels(processor) if is_image else STEPS,
            processors.frames_written(processor) if is_image else None,
            PixelValues.of(processor).packed(),
            processors.row_width(processor),
        )

    def compact(self, rows: Any) -> Tensor | None:
        """What was given with ``settings``, (N, C, values) uint8; None where it is no pixels."""
        if self.frames is None:
            return compact_video(rows, processors.CHANNELS)
        return compact_image(rows, processors.CHANNELS, self.frames)

    @property
    def beside(self) -> dict[str, Any]:
        """What an item says beside its rows."""
        return {VALUES: self.values, ROW_WIDTH: self.row_width}


@functools.cache
def sending(stock: Any) -> Any:
    """A subclass of one of SGLang's processors that sends pixels where it can."""

    class Sending(stock):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.sent: dict[str, Sent] = {}
            super().__init__(*args, **kwargs)
            self.sent = _sent(self)
            self.by_content = knowing_content(self)

        async def process_mm_data_async(self, *args: Any, **kwargs: Any) -> Any:
            found = None
            # A prompt of tokens SGLang decodes and encodes again, but not on this way.
            if self.by_content is not None and isinstance(kwargs.get("input_text"), str):
                try:
                    found = await stock.process_mm_data_async(self.by_content, *args, **kwargs)
                except Exception:  # the other way tells the client what is wrong, as on stock
                    logger.debug("engine_ext: not known by what came in", exc_info=True)
            if found is None:
                found = await super().process_mm_data_async(*args, **kwargs)
            if found is not None and getattr(kwargs.get("request_obj"), "mm_hashes", None):
                found.padded_input_ids = None  # the caller's identities, set after this, fill them
            return found

        def preprocess_fingerprint_payload(self) -> dict[str, Any]:
            # No cache of processed images takes these for stock's, or for another processor's.
            settings = repr(getattr(self._processor, "image_processor", None))
            own = {"engine_ext": "pixels", "image_processor": settings}
            return {**super().preprocess_fingerprint_payload(), **own}

        def process_mm_data(
            self, input_text: Any, images: Any = None, videos: Any = None, **kwargs: Any
        ) -> Any:
            media = {"images": images, "videos": videos}
            sent = {kind: one for kind, one in self.sent.items() if media[f"{kind}s"]}
            asking, asked = _asking(self, kwargs, sent)
            found = stock.process_mm_data(asking, input_text, **media, **asked)
            for kind, one in sent.items():
                pixels = one.compact(found[ROWS[kind]])
                if pixels is None:
                    return super().process_mm_data(input_text, **media, **kwargs)
                found[ROWS[kind]] = pixels
            return found

        def process_and_combine_mm_data(self, *args: Any, **kwargs: Any) -> Any:
            found = super().process_and_combine_mm_data(*args, **kwargs)
            name_items(found[0], self.sent)
            return found

        async def process_and_combine_mm_data_async(self, *args: Any, **kwargs: Any) -> Any:
            if self.mm_processor_executor is not None:
                return await super().process_and_combine_mm_data_async(*args, **kwargs)
            found = super().process_and_combine_mm_data(*args, **kwargs)
            # Beside the event loop, by which others' answers go out meanwhile.
            await asyncio.to_thread(name_items, found[0], self.sent)
            return found

        def prepare_artifact_batch(self, entries: Any, **kwargs: Any) -> Any:
            """Images that are known by their content (0.5.20 and newer)."""
            prepare = super().prepare_artifact_batch
            if (one := self.sent.get("image")) is None:
                return prepare(entries, **kwargs)
            asking, asked = _asking(self, kwargs, {"image": one})
            sent = []
            for artifact in stock.prepare_artifact_batch(asking, entries, **asked):
                pixels = one.compact(artifact.feature)
                if pixels is None:
                    return prepare(entries, **kwargs)
                beside = {**artifact.model_specific_data, **one.beside}
                sent.append(replace(artifact, feature=pixels, model_specific_data=beside))
            return sent

    for method in NEWER:
        if not hasattr(stock, method):
            delattr(Sending, method)
    Sending.__name__, Sending.__qualname__ = stock.__name__, stock.__qualname__
    return Sending


def _asking(
    processor: Any, kwargs: Mapping[str, Any], sent: Mapping[str, Sent]
) -> tuple[Any, dict[str, Any]]:
    """A copy of a processor of SGLang whose processor of transformers gives pixels by itself.

    And the arguments of a call of it, of which one may be a worker's processor of transformers.
    """
    asking = copy.copy(processor)
    # Transformers takes what it reads out of a dictionary.
    asked = {name: dict(v) if isinstance(v, dict) else v for name, v in kwargs.items()}
    if (of_worker := kwargs.get("processor")) is None:
        asking._processor = _giving_pixels(processor._processor, sent)
    else:
        asked["processor"] = _giving_pixels(of_worker, sent)
    return asking, asked


def _giving_pixels(processor: Any, sent: Mapping[str, Sent]) -> Any:
    """A copy of a processor of transformers that gives pixels by itself.

    Not by settings of a call: where a kind has any, transformers 5.8 and older leave out what
    SGLang says of all kinds at once (``device``; of videos ``video_metadata``,
    ``do_sample_frames``).
    """
    giving = copy.copy(processor)
    for kind, one in sent.items():
        of_kind = copy.copy(getattr(processor, f"{kind}_processor"))
        for name, value in one.settings.items():
            setattr(of_kind, name, value)
        setattr(giving, f"{kind}_processor", of_kind)
    return giving


def _sent(processor: Any) -> dict[str, Sent]:
    """By kind; without those that are sent as before, and the log says why."""
    if reason := _why_none(processor):
        logger.info("engine_ext: images and videos are sent as before: %s", reason)
        return {}
    found = {}
    how = {"image": "images are sent as uint8, one frame of each"}
    for kind in ROWS:
        try:
            one = getattr(processor._processor, f"{kind}_processor")
            config = getattr(processor, f"{kind}_config", None) or {}
            found[kind] = Sent.of(one, kind, config)
            logger.info("engine_ext: %s", how.get(kind, f"{kind}s are sent as uint8"))
        except NotByValue as error:
            logger.warning("engine_ext: %ss are sent as before: %s", kind, error)
        except Exception:
            logger.exception("engine_ext: %ss are sent as before", kind)
    return found


def _why_none(processor: Any) -> str:
    """Why nothing is sent as pixels by this process, or nothing."""
    from sglang.srt.utils import cpu_has_amx_support, is_cpu

    if is_cpu() and cpu_has_amx_support():
        return "SGLang processes images by itself on a CPU with AMX"
    if any(
        getattr(processor, name, False) for name in ("use_cuda_ipc", "keep_mm_features_on_device")
    ):
        return "they stay on the GPU (--mm-feature-transport)"
    launch = processor.server_args
    if getattr(launch, "use_ray", False):
        return "Ray's actors load no plugins (--use-ray)"
    if getattr(launch, "nnodes", 1) > 1 and not is_named("pixels"):
        return "another node may be without the extension (--nnodes); ENGINE_EXT can name pixels"
    return ""
