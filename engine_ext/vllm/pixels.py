"""Raw pixels from vLLM's processors to its towers: one frame of 8 bits for a still.

The API server makes the image processor of a model give pixels; the process that holds the model
folds what the processor left out into the projection. Videos come as before: the width of a row
tells them apart.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from engine_ext.patch_embed.fold import Normalisation, NotFoldable
from engine_ext.patch_embed.pixels import GEOMETRY, SETTINGS, give_pixels, normalisation_of
from engine_ext.vllm.log import logger

ARCHITECTURES = frozenset(
    {
        "Glm4vForConditionalGeneration",
        "Glm4vMoeForConditionalGeneration",
        "Qwen2VLForConditionalGeneration",
        "Qwen2_5_VLForConditionalGeneration",
        "Qwen3VLForConditionalGeneration",
        "Qwen3VLMoeForConditionalGeneration",
    }
)
"""Whose features reach the projection as rows, with no look at their width on the way."""


def factories(stock: Any) -> Any:
    """What vLLM makes a model's processor from, with an image processor that gives pixels.

    Args:
        stock: the ``_processor_factory`` of the model's class.
    """
    return replace(stock, info=_giving_pixels(stock.info))


@cache
def _giving_pixels(info: type) -> type:
    class GivesPixels(info):  # type: ignore[misc]
        def get_hf_processor(self, *args: Any, **kwargs: Any) -> Any:
            processor = super().get_hf_processor(*args, **kwargs)
            if is_foldable(self.ctx.model_config):
                ignored = SETTINGS if _normalises_on_device(self.ctx.model_config) else ()
                _expect_configured(processor.image_processor, self.ctx.model_config, ignored)
                give_pixels(processor.image_processor, is_strict=True, ignored=ignored)
            return processor

        @property
        def model_id(self) -> str:
            # By which caches know what they hold: no pixels are taken for anything else.
            return f"{super().model_id}, engine_ext pixels"

    GivesPixels.__name__, GivesPixels.__qualname__ = info.__name__, info.__qualname__
    return GivesPixels


def normalisation(vllm_config: Any) -> Normalisation | None:
    """What the processor of a model does; None where stills travel as vLLM has them.

    Raises:
        NotFoldable: the model's encoder runs in CUDA graphs.
    """
    try:
        found = _foldable(vllm_config.model_config)
    except NotFoldable as error:
        logger.warning("engine_ext: stills travel as vLLM has them: %s", error)
        return None
    if getattr(vllm_config.compilation_config, "cudagraph_mm_encoder", False):
        raise NotFoldable(
            "cudagraph_mm_encoder is on, whose buffers hold whole patches: switch it off, or take"
            " pixels out of ENGINE_EXT"
        )
    logger.info("engine_ext: stills travel as raw pixels, one frame of 8 bits")
    return found


def is_foldable(model_config: Any) -> bool:
    """As every process decides it: from the model's files."""
    try:
        _foldable(model_config)
    except NotFoldable:
        return False
    return True


def _foldable(model_config: Any) -> Normalisation:
    """Raises `NotFoldable`."""
    return normalisation_of(_configured(model_config))


def _configured(model_config: Any) -> Any:
    """The image processor by the model's files, without what vLLM or a request sets."""
    return _from_files(
        model_config.model, model_config.revision, bool(model_config.trust_remote_code)
    )


@cache
def _from_files(model: str, revision: str | None, trust_remote_code: bool) -> Any:
    from transformers import AutoImageProcessor

    return AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
        model, revision=revision, trust_remote_code=trust_remote_code
    )


def _normalises_on_device(model_config: Any) -> bool:
    """Whether vLLM does (0.28 and newer), by the model's files whatever a request asks."""
    return getattr(model_config.get_multimodal_config(), "mm_device_do_normalize", False)


def _expect_configured(processor: Any, model_config: Any, ignored: tuple[str, ...]) -> None:
    """A request, or the command line, must have left the settings as the model's files have them.

    vLLM batches images whatever their width, and fills up the narrower.

    Raises:
        ValueError: the name of a setting, what was found and what was expected.
    """
    files = _configured(model_config)
    for name in (*GEOMETRY, *(name for name in SETTINGS if name not in ignored)):
        found, expected = (_plain(getattr(one, name)) for one in (processor, files))
        if found != expected:
            raise ValueError(
                f"{name} is {found}, expected {expected} as the model has it: with the feature"
                " pixels of engine_ext images are normalised by the model itself"
            )


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value


def bypass_normalising(model: Any) -> None:
    """Let pixels past the module by which vLLM normalises on the device (0.28 and newer)."""
    module = getattr(model.visual, "input_norm", None)
    if module is None:
        return
    stock, still_width = module.forward, model.visual.patch_embed.proj.geometry.still_width

    def forward(rows: Tensor, dtype: torch.dtype) -> Tensor:
        if rows.shape[-1] == still_width:
            return rows.to(dtype)
        found: Tensor = stock(rows, dtype)
        return found

    module.forward = forward
