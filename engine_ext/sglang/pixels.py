"""Rows of uint8 from SGLang's processors: one frame of an image, all frames of a video.

The tokenizer's process has SGLang make its processor of a subclass (`sending`), which asks a copy
of transformers' processor for pixels, by its settings. What it sends is restored where the model is
(`restoring`).
"""

from __future__ import annotations

from typing import Any

from engine_ext.sglang.log import logger

# The core is imported where it is needed: SGLang calls the entry point in every process.

MAKES_PROCESSOR = "sglang.srt.managers.multimodal_processor.get_mm_processor"
STOCK_PROCESSORS = {
    "sglang.srt.multimodal.processors.qwen_vl.QwenVLImageProcessor",
    "sglang.srt.multimodal.processors.glm4v.Glm4vImageProcessor",
}
"""SGLang's processors whose rows are what transformers' processor gives."""


def hook() -> None:
    """Register with SGLang's hooks (0.5.11 and newer)."""
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    HookRegistry.register(MAKES_PROCESSOR, before_processor, HookType.BEFORE)


def before_processor(
    hf_config: Any,
    server_args: Any,
    processor: Any,
    transport_mode: Any,
    model_config: Any = None,
    **_: Any,
) -> None:
    """Before ``get_mm_processor``: register the subclass for a model that is an override here.

    SGLang's scheduler passes no ``model_config``: the processor that it makes only computes
    positions.
    """
    try:
        if model_config is None or not _is_served_by_override(model_config):
            return
        from sglang.srt.managers.multimodal_processor import PROCESSOR_MAPPING

        from engine_ext.sglang.sending import sending

        for model_class, stock in PROCESSOR_MAPPING.items():
            is_known = f"{stock.__module__}.{stock.__qualname__}" in STOCK_PROCESSORS
            if is_known and model_class.__name__ in hf_config.architectures:
                PROCESSOR_MAPPING[model_class] = sending(stock)
    except Exception:
        logger.exception("engine_ext: images and videos are sent as before")


def _is_served_by_override(model_config: Any) -> bool:
    """Whether the process that holds the model will take pixels, as that process decides it."""
    from sglang.srt.model_loader.utils import get_model_architecture

    from engine_ext.sglang.overrides import is_for_text_alone, is_override

    if is_for_text_alone(model_config.hf_config):
        return False
    model_class, _ = get_model_architecture(model_config)
    return is_override(model_class) and hasattr(model_class, "get_image_feature")
