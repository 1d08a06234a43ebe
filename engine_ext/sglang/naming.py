"""Who the items of a request are: what SGLang's caches know them by.

Images by what came in, where SGLang can, as it does for Qwen3-VL by itself; everything else by its
pixels. Said where the request is made ready, so that nothing is left to hash for the scheduler,
where running texts would wait for it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from engine_ext.pixels import identity
from engine_ext.sglang.log import logger
from engine_ext.sglang.restoring import is_a_clients


def knowing_content(processor: Any) -> Any:
    """A copy of one of SGLang's processors by which it knows images by what came in.

    As it does for Qwen3-VL by itself, and for all of Qwen's with its cache of processed images.
    None where it does so already or cannot, and where images are not sent as pixels.
    """
    if "image" not in processor.sent or not hasattr(processor, "prepare_artifact_batch"):
        return None
    if processor.processor_fingerprint is not None:
        return None
    try:
        from sglang.srt.multimodal.cache import build_processor_fingerprint

        found = copy.copy(processor)
        found.uses_media_artifacts_without_cache = True
        if build := getattr(processor, "_build_image_prompt_template", None):
            # It would keep the last 256 prompts, which in a conversation are never asked again.
            found._cached_image_prompt_template = build
        found.processor_fingerprint = build_processor_fingerprint(processor, processor.hf_config)
    except Exception:
        logger.exception(
            "engine_ext: cannot know images by what came in: they are known by their pixels"
        )
        return None
    return found


def has_places(processor: Any, prompt: Any, images: Sequence[Any]) -> bool:
    """Whether a prompt has a place for each image; otherwise SGLang need not even load them.

    A prompt of tokens SGLang decodes and encodes again, but not where it knows what came in.
    """
    if not isinstance(prompt, str):
        return False
    return len(processor.mm_tokens.image_token_regex.findall(prompt)) == len(images)


def not_downloaded(error: Any, images: Iterable[Any]) -> ValueError | None:
    """In SGLang's words that an image could not be downloaded; None where it is not known which.

    Its other way would ask for the image once more, and wait as long again.

    Args:
        error: of requests.
    """
    from requests.utils import requote_uri

    asked = getattr(error.request, "url", None)
    for index, image in enumerate(images):
        url = getattr(image, "url", image)
        if asked and isinstance(url, str) and asked in (url, requote_uri(url)):
            said = str(image)
            said = f"{said[:100]}..." if len(said) > 100 else said
            return ValueError(
                f"An exception occurred while loading IMAGE data at index {index}: Error while"
                f" loading data {said}: {error}"
            )
    return None


def name_items(items: Iterable[Any], sent: Mapping[str, Any]) -> None:
    """Say who items are, unless somebody has, and how those of pixels are restored.

    Args:
        sent: by kind, of `sent.Sent`.
    """
    for item in items:
        kind = "image" if item.is_image() else "video"
        if (one := sent.get(kind)) is not None and _is_of_pixels(item):
            item.model_specific_data.update(one.beside)
            if item.hash is None:
                grid = item.model_specific_data[f"{kind}_grid_thw"]
                item.hash = identity(kind, item.feature, grid, one.values)
        if isinstance(item.feature, Tensor) and item.feature.device.type == "cpu":
            item.set_pad_value()  # of what stays on a GPU the scheduler does, on that GPU


def _is_of_pixels(item: Any) -> bool:
    """Whether its rows are of `Sent.compact`, and not of a client's."""
    rows = item.feature
    is_compact = isinstance(rows, Tensor) and rows.dim() == 3 and rows.dtype == torch.uint8
    return is_compact and not is_a_clients(item)
