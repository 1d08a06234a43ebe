"""What a model of SGLang does with rows of pixels: it gives itself the processor's own rows."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from engine_ext.pixels import PixelValues, restore
from engine_ext.pixels.architectures import ARCHITECTURES
from engine_ext.sglang.features import features
from engine_ext.sglang.log import logger

_ATTRIBUTE = "_engine_ext_pixel_values"


def takes_pixels(architecture: str) -> bool:
    """Not on CPUs with AMX: SGLang processes images by itself there."""
    from sglang.srt.utils import cpu_has_amx_support, is_cpu

    is_on = "pixels" in features() and architecture in ARCHITECTURES
    return is_on and not (is_cpu() and cpu_has_amx_support())


def expect_pixels(model: nn.Module) -> None:
    """Remember what the processors of the model that is being built make of pixels."""
    from sglang.srt.model_loader.utils import set_default_torch_dtype
    from transformers import AutoImageProcessor, AutoVideoProcessor

    if getattr(model, "visual", None) is None:
        return
    found = {}
    for kind, auto in (("image", AutoImageProcessor), ("video", AutoVideoProcessor)):
        try:
            # SGLang builds models under the model's dtype and on its device; the tokenizer's
            # process, whose rows these are to be, has neither.
            with set_default_torch_dtype(torch.float32), torch.device("cpu"):
                found[kind] = PixelValues.of(_from_files(auto))
        except Exception as error:
            # As the tokenizer's process decides it, from the same files: it sends none then.
            logger.warning("engine_ext: %ss come as SGLang has them: %s", kind, error)
    vars(model)[_ATTRIBUTE] = found


def _from_files(auto: Any) -> Any:
    from sglang.srt.runtime_context import get_model, get_serving

    model = get_model()
    return auto.from_pretrained(
        get_serving().tokenizer_path,
        revision=model.revision,
        trust_remote_code=model.trust_remote_code,
    )


def restored(items: Sequence[Any], model: Any, kind: str) -> list[Any]:
    """The items of a batch, those of pixels with the rows that stock would have sent.

    Args:
        kind: of all of them, `image` or `video`.
    """
    return [_restored(item, model, kind) for item in items]


def _restored(item: Any, model: Any, kind: str) -> Any:
    rows = item.feature
    if not isinstance(rows, Tensor) or rows.dtype != torch.uint8:
        return item
    known: Mapping[str, PixelValues] = vars(model).get(_ATTRIBUTE, {})
    if kind not in known:
        raise ValueError(f"{kind} pixels for a model whose {kind} processor is not known")
    visual = model.visual
    values = known[kind].to(visual.device)
    pixels = rows.to(visual.device).view(len(rows), values.channels, -1)
    # The item stays as it is: SGLang may keep it, and encode it again.
    found = copy.copy(item)
    row_width = visual.patch_embed.proj.weight[0].numel()
    found.feature = restore(pixels, values, row_width, visual.dtype)
    return found
