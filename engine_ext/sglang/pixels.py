"""Raw pixels from SGLang's processors to its towers: one frame of 8 bits for a still.

The tokenizer's process makes the image processor of a model give pixels; the process that holds the
model folds what the processor left out into the projection. Videos, and whatever a client has
processed itself, come as before: the width of a row tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from engine_ext.patch_embed.fold import Normalisation, NotFoldable
from engine_ext.patch_embed.pixels import give_pixels, gives_pixels, normalisation_of
from engine_ext.sglang.log import logger

MAKES_PROCESSOR = "sglang.srt.managers.multimodal_processor.get_mm_processor"
PROCESSOR = "sglang.srt.multimodal.processors.base_processor.BaseMultimodalProcessor"
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
"""Whose features reach the projection as rows, with no look at their width on the way but below."""


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
    """Before ``get_mm_processor``: make the image processor of the model give pixels."""
    try:
        if not _is_served_by_override(model_config):
            return
        normalisation_of(processor.image_processor)
        give_pixels(processor.image_processor)
        logger.info("engine_ext: stills travel as raw pixels, one frame of 8 bits")
    except NotFoldable as error:
        logger.warning("engine_ext: stills travel as SGLang has them: %s", error)
    except Exception:
        # Both kernels are valid: requests are served as before; without this nobody would know.
        logger.exception("engine_ext: stills travel as SGLang has them")


def _is_served_by_override(model_config: Any) -> bool:
    """Whether the process that holds the model will take pixels, as that process decides it.

    SGLang resolves the class here too. Its scheduler passes no ``model_config``: the processor
    that it makes only computes positions.
    """
    if model_config is None or getattr(model_config.hf_config, "language_only", False):
        return False
    from sglang.srt.model_loader.utils import get_model_architecture

    from engine_ext.sglang.overrides import is_override

    model_class, architecture = get_model_architecture(model_config)
    return architecture in ARCHITECTURES and is_override(model_class)


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
    image_processor = processor._processor.image_processor
    still = 3 * image_processor.patch_size**2
    patch = still * image_processor.temporal_patch_size
    for item in items:
        rows = getattr(item, "feature", None)
        if not isinstance(rows, Tensor) or not (item.is_image() or item.is_video()):
            continue
        is_still = rows.dim() == 2 and rows.shape[1] == still and rows.dtype == torch.uint8
        is_patch = rows.dim() == 2 and rows.shape[1] == patch and rows.is_floating_point()
        if not is_still and not is_patch:
            raise NotPixels(
                f"features of shape {tuple(rows.shape)} in {rows.dtype}, expected (N, {patch})"
                f" normalised in floating point, or (N, {still}) raw pixels in uint8"
            )


def _gives_pixels(processor: Any) -> bool:
    return gives_pixels(getattr(processor._processor, "image_processor", None))


def normalisation() -> Normalisation | None:
    """What the processor of the model that is being loaded does; None where that cannot be folded.

    As the tokenizer's process decides it: from the same files.
    """
    from sglang.srt.runtime_context import get_model, get_serving
    from transformers import AutoImageProcessor

    model = get_model()
    processor = AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
        get_serving().tokenizer_path,
        revision=model.revision,
        trust_remote_code=model.trust_remote_code,
    )
    try:
        return normalisation_of(processor)
    except NotFoldable as error:
        logger.warning("engine_ext: no raw pixels: %s", error)
        return None


def image_features(
    model: nn.Module, stock: Callable[[list[Any]], Tensor], items: Sequence[Any]
) -> Tensor:
    """In place of ``get_image_feature``: features of one width at a time.

    Args:
        items: of one batch, some of pixels and some that clients have processed perhaps.
    """
    found = []
    for width, group in groupby(items, _width):
        members = list(group)
        still = _still_width(model)
        if width == still and _looks_at_widths(model):
            found.append(_encode(model, members))
        else:
            found.append(stock(members))
    return found[0] if len(found) == 1 else torch.cat(found)


def _width(item: Any) -> int | None:
    shape = getattr(item.feature, "shape", None)
    return None if shape is None else int(shape[-1])


def _still_width(model: Any) -> int:
    width: int = model.visual.patch_embed.proj.geometry.still_width
    return width


def _looks_at_widths(model: Any) -> bool:
    """SGLang 0.5.x returns what is not 1176 wide as embeddings for Qwen2.5-VL."""
    return "Qwen2_5_VL" in type(model).__name__


def _encode(model: Any, items: Sequence[Any]) -> Tensor:
    """What ``get_image_feature`` does behind its look at the width (0.5.23)."""
    visual = model.visual
    pixels = torch.cat([item.feature for item in items]).to(visual.device, visual.dtype)
    grids = torch.concat([item.image_grid_thw for item in items])
    if getattr(model, "use_data_parallel", False):
        from sglang.srt.multimodal.mm_utils import run_dp_sharded_mrope_vision_model

        sharded: Tensor = run_dp_sharded_mrope_vision_model(
            visual, pixels, grids.tolist(), rope_type="rope_3d"
        )
        return sharded
    found: Tensor = visual(pixels, grid_thw=grids)
    return found
