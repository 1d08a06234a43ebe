"""What a model of SGLang does with raw pixels: stills by another kernel, clips normalised first."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from engine_ext.patch_embed import clips
from engine_ext.patch_embed.fold import Normalisation, NotFoldable
from engine_ext.patch_embed.pixels import normalisation_of
from engine_ext.sglang.log import logger

_ATTRIBUTE = "_engine_ext_clips"

Features = Callable[[list[Any]], Tensor]
"""``get_image_feature`` or ``get_video_feature`` of a model."""


def of_stills() -> Normalisation | None:
    """What the processor of the model that is being loaded does; None where that cannot be folded.

    As the tokenizer's process decides it: from the same files.
    """
    from transformers import AutoImageProcessor

    try:
        return normalisation_of(_from_files(AutoImageProcessor))
    except NotFoldable as error:
        logger.warning("engine_ext: no raw pixels: %s", error)
        return None


def expect_clips(model: nn.Module) -> None:
    """Remember what the video processor of the model that is being loaded does."""
    from transformers import AutoVideoProcessor

    try:
        found = normalisation_of(_from_files(AutoVideoProcessor), clips.KNOWN)
    except NotFoldable:
        return  # the tokenizer's process says so
    vars(model)[_ATTRIBUTE] = found


def _from_files(auto: Any) -> Any:
    from sglang.srt.runtime_context import get_model, get_serving

    model = get_model()
    return auto.from_pretrained(
        get_serving().tokenizer_path,
        revision=model.revision,
        trust_remote_code=model.trust_remote_code,
    )


def image_features(model: nn.Module, stock: Features, items: Sequence[Any]) -> Tensor:
    """In place of ``get_image_feature``: features of one width at a time.

    Args:
        items: of one batch, some of pixels and some that clients have processed perhaps.
    """
    found = []
    for width, group in groupby(items, _width):
        members = list(group)
        is_still = width == _still_width(model) and _looks_at_widths(model)
        found.append(_encode(model, members) if is_still else stock(members))
    return found[0] if len(found) == 1 else torch.cat(found)


def video_features(model: nn.Module, stock: Features, items: Sequence[Any]) -> Tensor:
    """In place of ``get_video_feature``: raw pixels are normalised on the model's device.

    Raises:
        NotFoldable: raw pixels of a clip for a model whose video processor is not known.
    """
    normalisation = vars(model).get(_ATTRIBUTE)
    return stock([_normalised(item, model, normalisation) for item in items])


def _normalised(item: Any, model: Any, normalisation: Normalisation | None) -> Any:
    rows = item.feature
    if not isinstance(rows, Tensor) or rows.dtype != torch.uint8:
        return item
    if normalisation is None:
        raise NotFoldable("a clip of raw pixels, and it is not known what normalises it")
    # The item stays as it is: SGLang may keep it, and encode it again.
    found = copy.copy(item)
    rows = clips.normalised(rows.to(model.visual.device), normalisation)
    found.feature = rows.to(model.visual.dtype)
    return found


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
