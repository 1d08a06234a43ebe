"""What a process of vLLM that makes requests ready sends, and what it says of it."""

from __future__ import annotations

from functools import cache
from multiprocessing import current_process
from typing import Any

import torch
import vllm
from torch import distributed

from engine_ext import status
from engine_ext.features import is_untried
from engine_ext.pixels import NotByValue, processors
from engine_ext.vllm.features import features
from engine_ext.vllm.log import logger
from engine_ext.vllm.patch import Patch

OF_ENGINES = ("EngineCore", "VllmWorker")
"""How the names of vLLM's processes begin, of those that make no requests ready."""
_checked: dict[type, str] = {}
"""Classes of image processors, and what `_why_not_exact` said of them."""


def written_once(images: Any) -> dict[str, int]:
    """Settings by which an image processor writes an image as often as its size asks for."""
    return {"temporal_patch_size": processors.frames_written(images)}


def patch_sent(info: Any, processor: Any) -> Patch | None:
    """What a patch is, where the image processor is one whose images can be sent otherwise."""
    patch = Patch.of(info.ctx.model_config.hf_config)
    if patch is None:
        say_what_is_sent(why_not="the model's configuration does not say what a patch is")
        return None
    try:
        images = getattr(processor.image_processor, "stock", processor.image_processor)
        processors.expect_known(images)
        if is_untried("vllm", vllm.__version__, "pixels"):
            if (kind := type(images)) not in _checked:  # at first it is vLLM's own, no copy
                _checked[kind] = _why_not_exact(images, patch)
            if _checked[kind]:
                raise NotByValue(_checked[kind])
    except NotByValue as error:
        say_what_is_sent(why_not=str(error))
        return None
    say_what_is_sent()
    return patch


def _why_not_exact(images: Any, patch: Patch) -> str:
    """Why a picture is not the same after both ways of an image processor; empty if it is."""
    try:
        rows, asked = processors.rows_by_both_ways(images, written_once(images))
        count = torch.tensor([[1, 1, len(rows)]])
        is_same = torch.equal(patch.rows([patch.first_frame(asked)], count), rows)
    except Exception as error:
        return f"this vLLM has not been tried, and a picture fails: {error!r}"
    return "" if is_same else "this vLLM has not been tried, and rows are not restored bit for bit"


@cache
def say_what_is_sent(why_not: str = "") -> None:
    """By this process, to its log and to the status file, unless it is one of an engine, which
    makes processors to know what they need."""
    if current_process().name.startswith(OF_ENGINES) or distributed.is_initialized():
        return
    videos = "vLLM writes each of their frames once already"
    sent = [] if why_not else ["image"]
    as_before = {"image": why_not, "video": why_not} if why_not else {"video": videos}
    how = "as they were decoded" if "resize" in features() else "as one frame each"
    for kind in sent:
        # Whose engines are behind this process it does not know, and one that fails is down.
        refused = "a model without the extension refuses them"
        logger.info("engine_ext: %ss are sent %s; %s", kind, how, refused)
    for kind, reason in as_before.items():
        logger.info("engine_ext: %ss are sent as before: %s", kind, reason)
    line = {"engine": "vllm", "engine_version": vllm.__version__, "features": features()}
    status.record(status.SENDER, {**line, "sends": sent, "as_before": as_before}, logger)
