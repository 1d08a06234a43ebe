"""SGLang's processors of a request, made to send pixels: how they ask for them.

What a client has processed itself, and what is not of whole numbers from 0 to 255, comes as on
stock.
"""

from __future__ import annotations

import asyncio
import copy
import functools
from collections.abc import Mapping
from functools import partial
from typing import Any

from requests import RequestException  # which SGLang loads media by

from engine_ext.pixels.processors import with_settings
from engine_ext.sglang.asking import asking
from engine_ext.sglang.decoding import as_decoded
from engine_ext.sglang.features import features
from engine_ext.sglang.log import logger
from engine_ext.sglang.naming import has_places, knowing_content, name_items, not_downloaded
from engine_ext.sglang.sent import ROWS, Sent, sent_by

NEWER = (
    "prepare_artifact_batch",
    "preprocess_fingerprint_payload",
    "process_and_combine_mm_data_async",
)
"""Methods that not every version of SGLang's processors has."""


@functools.cache
def sending(stock: Any) -> Any:
    """A subclass of one of SGLang's processors that sends pixels where it can."""

    class Sending(stock):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.sent: dict[str, Sent] = {}
            super().__init__(*args, **kwargs)
            self.by_content = None
            try:
                self.sent = sent_by(self)
                self.by_content = knowing_content(self)
            except Exception:
                logger.exception("engine_ext: images and videos are sent as before")

        async def process_mm_data_async(self, *args: Any, **kwargs: Any) -> Any:
            found = None
            images = kwargs.get("image_data") or ()
            try:
                if self.by_content and has_places(self, kwargs.get("input_text"), images):
                    found = await stock.process_mm_data_async(self.by_content, *args, **kwargs)
            except RequestException as error:
                if said := not_downloaded(error, images):
                    raise said from error
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
            form = "resize" if "resize" in features() else "pixels"
            own = {"engine_ext": form, "image_processor": settings}
            return {**super().preprocess_fingerprint_payload(), **own}

        def process_mm_data(
            self, input_text: Any, images: Any = None, videos: Any = None, **kwargs: Any
        ) -> Any:
            media = {"images": images, "videos": videos}
            sent = {kind: one for kind, one in self.sent.items() if media[f"{kind}s"]}
            of_pixels, asked = asking(self, kwargs, partial(_giving_pixels, sent))
            found = stock.process_mm_data(of_pixels, input_text, **media, **asked)
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
            of_pixels, asked = asking(self, kwargs, partial(_giving_pixels, {"image": one}))
            sent: list[Any] = [None] * len(entries)
            if one.are_decoded:
                sent = as_decoded(stock.prepare_artifact_batch, of_pixels, entries, asked, one)
            rest = [place for place, found in enumerate(sent) if found is None]
            batch = [entries[place] for place in rest]
            made = stock.prepare_artifact_batch(of_pixels, batch, **asked)
            for place, artifact in zip(rest, made, strict=True):
                pixels = one.compact(artifact.feature)
                if pixels is None:
                    return prepare(entries, **kwargs)
                sent[place] = one.artifact(artifact, pixels)
            return sent

    for method in NEWER:
        if not hasattr(stock, method):
            delattr(Sending, method)
    Sending.__name__, Sending.__qualname__ = stock.__name__, stock.__qualname__
    return Sending


def _giving_pixels(sent: Mapping[str, Sent], processor: Any) -> Any:
    """A copy of a processor of transformers that gives pixels by itself.

    Not by settings of a call: where a kind has any, transformers 5.8 and older leave out what
    SGLang says of all kinds at once (``device``; of videos ``video_metadata``,
    ``do_sample_frames``).
    """
    giving = copy.copy(processor)
    for kind, one in sent.items():
        name = f"{kind}_processor"
        setattr(giving, name, with_settings(getattr(processor, name), one.settings))
    return giving
