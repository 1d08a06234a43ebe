"""Rows of uint8 from SGLang's processors: one frame of an image, all frames of a video.

The tokenizer's process has SGLang make its processor of a subclass (`sending`), which asks a copy
of transformers' processor for pixels, by its settings. What it sends is restored where the model is
(`restoring`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine_ext.sglang.log import logger

# The core is imported where it is needed: SGLang calls the entry point in every process.

MAKES_PROCESSOR = "sglang.srt.managers.multimodal_processor.get_mm_processor"
STOCK_PROCESSORS = {
    "sglang.srt.multimodal.processors.qwen_vl.QwenVLImageProcessor",
    "sglang.srt.multimodal.processors.glm4v.Glm4vImageProcessor",
}
"""SGLang's processors whose rows are what transformers' processor gives."""
OF_TRANSFORMERS = "Transformers"
"""How architectures of SGLang's backend of transformers begin, which hands on all an item says."""


def hook() -> None:
    """Register with SGLang's hooks (0.5.11 and newer)."""
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    HookRegistry.register(MAKES_PROCESSOR, before_processor, HookType.BEFORE)


def before_processor(*args: Any, **kwargs: Any) -> None:
    """Before ``get_mm_processor``: register the subclass for a model that is an override here."""
    try:
        _register_subclass(*args, **kwargs)
    except Exception:
        logger.exception("engine_ext: images and videos are sent as before")


def _register_subclass(
    hf_config: Any,
    server_args: Any,
    processor: Any,
    transport_mode: Any,
    model_config: Any = None,
    **_: Any,
) -> None:
    if model_config is None:  # of a scheduler: its processor only computes positions
        return
    from sglang.srt.managers.multimodal_processor import PROCESSOR_MAPPING

    from engine_ext.sglang.sending import sending
    from engine_ext.sglang.sent import say_what_is_sent

    reason = _why_none(model_config)
    found = {} if reason else _known_processors(PROCESSOR_MAPPING, hf_config)
    for model_class, stock in found.items():
        PROCESSOR_MAPPING[model_class] = sending(stock)
    if not found:
        why = reason or "SGLang's processor of the model is none that is known"
        say_what_is_sent(server_args, (), {"image": why, "video": why})


def _known_processors(mapping: Mapping[Any, Any], hf_config: Any) -> dict[Any, Any]:
    return {
        model_class: stock
        for model_class, stock in mapping.items()
        if f"{stock.__module__}.{stock.__qualname__}" in STOCK_PROCESSORS
        and model_class.__name__ in hf_config.architectures
    }


def _why_none(model_config: Any) -> str:
    """Why the process that holds the model takes no pixels, as that process decides it."""
    import sglang
    from sglang.srt.model_loader.utils import get_model_architecture

    from engine_ext.features import why_off
    from engine_ext.sglang.overrides import is_for_text_alone, is_override
    from engine_ext.sglang.versions import TRIED

    if reason := why_off("sglang", sglang.__version__, TRIED).get("pixels"):
        return reason
    if is_for_text_alone(model_config.hf_config):
        return "the model is for text alone here"
    model_class, architecture = get_model_architecture(model_config)
    if architecture.startswith(OF_TRANSFORMERS):
        return "the model is of transformers' backend"
    if not (is_override(model_class) and hasattr(model_class, "get_image_feature")):
        return f"{model_class.__module__}.{model_class.__name__} is no class of the extension"
    return ""
