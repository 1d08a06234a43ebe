"""Images as uint8 from vLLM's processors to its towers, one frame each.

The API server makes the image processor of a model give pixels. In the process that holds the model
the frame is repeated as the processor would have done, and all that follows is stock: vLLM itself
normalises on the device. Videos come as before; the width of a row tells them from images.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import cache, wraps
from typing import Any

from torch import Tensor

from engine_ext.pixels import NotByValue
from engine_ext.pixels.processors import (
    GEOMETRY,
    SETTINGS,
    expect_known,
    give_pixels,
)
from engine_ext.vllm.log import logger

OF_GRAPHS = (
    "get_encoder_cudagraph_item_specs",
    "select_encoder_cudagraph_items",
    "prepare_encoder_cudagraph_replay_buffers",
)
"""What encoder CUDA graphs hand the inputs of images to, beside ``embed_multimodal``."""


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
            is_sent = is_possible(self.ctx.model_config)
            if is_sent:
                _expect_configured(processor.image_processor, self.ctx.model_config)
                # Copies: vLLM keeps one processor of a model for all that a process does with it.
                processor = copy(processor)
                processor.image_processor = copy(processor.image_processor)
                # vLLM normalises by the model's files, whatever a request asks.
                give_pixels(processor.image_processor, is_strict=True, ignored=SETTINGS)
            _say(is_sent)
            return processor

        @property
        def model_id(self) -> str:
            # By which caches know what they hold: no pixels are taken for anything else.
            return f"{super().model_id}, engine_ext pixels"

    GivesPixels.__name__, GivesPixels.__qualname__ = info.__name__, info.__qualname__
    return GivesPixels


@cache
def _say(is_sent: bool) -> None:
    how = "as uint8, one frame each; videos are sent as before" if is_sent else "as before"
    logger.info("engine_ext: images are sent %s", how)


def take_pixels(override: Any) -> None:
    """Have the processors of a model's class give pixels, and the class take them."""
    override._processor_factory = factories(override._processor_factory)
    embed = override.embed_multimodal

    @wraps(embed)
    def embed_multimodal(self: Any, **kwargs: Any) -> Any:
        return embed(self, **_whole(self, kwargs))

    override.embed_multimodal = embed_multimodal
    for name in OF_GRAPHS:
        if (stock := getattr(override, name, None)) is not None:
            setattr(override, name, _of_graphs(stock))


def _of_graphs(stock: Any) -> Any:
    @wraps(stock)
    def of_graphs(self: Any, mm_kwargs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        return stock(self, _whole(self, mm_kwargs), *args, **kwargs)

    return of_graphs


def _whole(model: Any, mm_kwargs: dict[str, Any]) -> dict[str, Any]:
    """Inputs of a model's images as stock would have sent them."""
    rows = mm_kwargs.get("pixel_values")
    if rows is None:
        return mm_kwargs
    weight = model.visual.patch_embed.proj.weight
    return {**mm_kwargs, "pixel_values": whole_rows(rows, weight)}


def whole_rows(rows: Tensor, weight: Tensor) -> Tensor:
    """Rows of one frame, (N, C*P*P), as the processor's: (N, C*T*P*P); others as they are.

    Args:
        weight: (D, C, T, P, P) of the projection.
    """
    channels, frames = weight.shape[1:3]
    if not isinstance(rows, Tensor) or rows.shape[-1] * frames != weight[0].numel():
        return rows
    cut = rows.view(len(rows), channels, 1, -1)
    return cut.expand(-1, -1, frames, -1).reshape(len(rows), -1)


def is_possible(model_config: Any) -> bool:
    """Whether the processor does no more than vLLM does on the device, by the model's files."""
    if not getattr(model_config.get_multimodal_config(), "mm_device_do_normalize", False):
        return False
    try:
        expect_known(_configured(model_config))
    except NotByValue:
        return False
    return True


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


def _expect_configured(processor: Any, model_config: Any) -> None:
    """A request, or the command line, must have left the patches as the model's files have them.

    vLLM batches images whatever their width, and fills up the narrower.

    Raises:
        ValueError: the name of a setting, what was found and what was expected.
    """
    files = _configured(model_config)
    for name in GEOMETRY:
        found, expected = (_plain(getattr(one, name)) for one in (processor, files))
        if found != expected:
            raise ValueError(
                f"{name} is {found}, expected {expected} as the model has it: with the feature"
                " pixels of engine_ext the model repeats the frames of an image itself"
            )


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value
