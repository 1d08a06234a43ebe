"""Images from vLLM's processors to its towers, one frame each.

Transformers' processors write an image once for each frame of a patch. Here the API server sends
the first, (N, C, P*P), and the process that holds the model repeats it: what follows is stock, and
so is what is before. Whether the rows are pixels that vLLM normalises on the device or floats that
it has normalised, in what dtype, by whose settings, makes no difference. Videos come as before.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from functools import cache, wraps
from multiprocessing import current_process
from typing import Any

import torch
import vllm
from torch import Tensor, distributed

from engine_ext import status
from engine_ext.features import is_untried
from engine_ext.pixels import NotByValue, processors
from engine_ext.vllm.features import features
from engine_ext.vllm.log import logger

EMBEDS = ("embed_multimodal", "get_multimodal_embeddings")
"""Methods of a model that take the inputs of its images as keywords: of 0.11.1 and newer, and of
0.11."""
OF_GRAPHS = (
    "get_encoder_cudagraph_item_specs",
    "select_encoder_cudagraph_items",
    "prepare_encoder_cudagraph_replay_buffers",
)
"""Those that take them as one argument, for encoder CUDA graphs."""
ROWS = "pixel_values"
OF_ENGINES = ("EngineCore", "VllmWorker")
"""How the names of vLLM's processes begin, of those that make no requests ready."""
_PATCH = "_engine_ext_patch"
_checked: dict[type, str] = {}
"""Classes of image processors, and what `_why_not_exact` said of them."""


@dataclass(frozen=True)
class Patch:
    """What a patch of a model is, by its configuration: the same to who sends and who takes."""

    frames: int
    side: int

    @classmethod
    def of(cls, hf_config: Any) -> Patch | None:
        """None where a configuration does not say it as Qwen-VL's and GLM-V's do."""
        vision = getattr(getattr(hf_config, "thinker_config", hf_config), "vision_config", None)
        frames, side = (
            getattr(vision, name, None) for name in ("temporal_patch_size", "patch_size")
        )
        return cls(frames, side) if isinstance(frames, int) and isinstance(side, int) else None


def expect_frames(model: Any, hf_config: Any) -> None:
    """Remember what a patch is of a model that is being built."""
    vars(model)[_PATCH] = Patch.of(hf_config)


def take_frames(override: Any) -> None:
    """Have a model's class take images of one frame beside those of stock."""
    for name in EMBEDS:
        if (stock := getattr(override, name, None)) is not None:
            setattr(override, name, _of_keywords(stock))
    for name in OF_GRAPHS:
        if (stock := getattr(override, name, None)) is not None:
            setattr(override, name, _of_one_argument(stock))


def _of_keywords(stock: Any) -> Any:
    @wraps(stock)
    def embed(self: Any, **mm_kwargs: Any) -> Any:
        return stock(self, **_whole(self, mm_kwargs))

    return embed


def _of_one_argument(stock: Any) -> Any:
    @wraps(stock)
    def of_graphs(self: Any, mm_kwargs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        return stock(self, _whole(self, mm_kwargs), *args, **kwargs)

    return of_graphs


def _whole(model: Any, mm_kwargs: dict[str, Any]) -> dict[str, Any]:
    """Inputs of a model's images as stock would have sent them."""
    rows = mm_kwargs.get(ROWS)
    if not isinstance(rows, Tensor) or rows.dim() != 3:
        return mm_kwargs
    return {**mm_kwargs, ROWS: every_frame(rows, vars(model)[_PATCH].frames)}


def every_frame(pixels: Tensor, frames: int) -> Tensor:
    """Rows as a processor writes them, (N, C*T*P*P), of those of one frame, (N, C, P*P)."""
    return pixels.unsqueeze(2).expand(-1, -1, frames, -1).reshape(len(pixels), -1)


def send_frames(override: Any) -> None:
    """Have the processor of a model's class give images of one frame."""
    factories = override._processor_factory
    override._processor_factory = replace(
        factories, info=_asking(factories.info), processor=_sending(factories.processor)
    )


@cache
def _asking(stock: Any) -> Any:
    class Asking(stock):  # type: ignore[misc]
        def get_hf_processor(self, *args: Any, **kwargs: Any) -> Any:
            processor = super().get_hf_processor(*args, **kwargs)
            if _patch_sent(self, processor) is None:
                return processor
            # Copies: vLLM keeps one processor of a model for all that a process does with it.
            processor = copy(processor)
            images = processor.image_processor
            processor.image_processor = processors.with_settings(images, _written_once(images))
            return processor

    return _named_as(stock, Asking)


@cache
def _sending(stock: Any) -> Any:
    class Sending(stock):  # type: ignore[misc]
        def _get_mm_fields_config(self, hf_inputs: Any, *args: Any, **kwargs: Any) -> Any:
            # All that a processor gives for a request passes here before it is cut into items.
            patch = _patch_sent(self.info, self.info.get_hf_processor())
            if patch is not None and isinstance(rows := hf_inputs.get(ROWS), Tensor):
                hf_inputs[ROWS] = first_frame(rows, patch)
            return super()._get_mm_fields_config(hf_inputs, *args, **kwargs)

    return _named_as(stock, Sending)


def _named_as(stock: Any, made: Any) -> Any:
    made.__name__, made.__qualname__ = stock.__name__, stock.__qualname__
    return made


def first_frame(rows: Tensor, patch: Patch) -> Tensor:
    """Rows of one frame, (N, C, P*P); they may be that already.

    Args:
        rows: as a processor writes them, (N, C*P*P) or (N, C*T*P*P).

    Raises:
        ValueError: rows that are no patches of this model, which its tower could not take.
    """
    if rows.dim() == 3:
        return rows
    area = patch.side**2
    frames, rest = divmod(rows.shape[-1], processors.CHANNELS * area)
    if rows.dim() != 2 or rest or frames not in (1, patch.frames):
        raise ValueError(
            f"the image processor gives {tuple(rows.shape)}, expected rows of"
            f" {processors.CHANNELS * patch.frames * area} values, by the model's"
            f" temporal_patch_size of {patch.frames} and patch_size of {patch.side}"
        )
    return rows.view(len(rows), processors.CHANNELS, frames, area)[:, :, 0].contiguous()


def _written_once(images: Any) -> dict[str, int]:
    """Settings by which an image processor writes an image as often as its size asks for."""
    return {"temporal_patch_size": processors.frames_written(images)}


def _patch_sent(info: Any, processor: Any) -> Patch | None:
    """What a patch is, where the image processor writes an image once for each of its frames."""
    patch = Patch.of(info.ctx.model_config.hf_config)
    if patch is None:
        say_what_is_sent(why_not="the model's configuration does not say what a patch is")
        return None
    try:
        images = processor.image_processor
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
        rows, asked = processors.rows_by_both_ways(images, _written_once(images))
        is_same = torch.equal(every_frame(first_frame(asked, patch), patch.frames), rows)
    except Exception as error:
        return f"vLLM has not been tried, and a picture fails: {error!r}"
    return "" if is_same else "vLLM has not been tried, and rows are not restored bit for bit"


def say_as_before(override: Any, reason: str) -> None:
    """Have a process that makes a processor of a model's class say that it is stock's."""
    factories = override._processor_factory

    def info(*args: Any, **kwargs: Any) -> Any:
        say_what_is_sent(why_not=reason)
        return factories.info(*args, **kwargs)

    override._processor_factory = replace(factories, info=info)


@cache
def say_what_is_sent(why_not: str = "") -> None:
    """By this process, to its log and to the status file, unless it is one of an engine, which
    makes processors to know what they need."""
    videos = "vLLM writes each of their frames once already"
    sent = [] if why_not else ["image"]
    as_before = {"image": why_not, "video": why_not} if why_not else {"video": videos}
    for kind in sent:
        logger.info("engine_ext: %ss are sent as one frame each", kind)
    for kind, reason in as_before.items():
        logger.info("engine_ext: %ss are sent as before: %s", kind, reason)
    if current_process().name.startswith(OF_ENGINES) or distributed.is_initialized():
        return
    line = {"engine": "vllm", "engine_version": vllm.__version__, "features": features()}
    status.record(status.SENDER, {**line, "sends": sent, "as_before": as_before}, logger)
