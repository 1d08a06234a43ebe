"""Images of either form, taken by vLLM's models: what follows is given the rows of stock."""

from __future__ import annotations

from functools import wraps
from typing import Any

from engine_ext.vllm.patch import FORM, GRIDS, ROWS, Patch

EMBEDS = ("embed_multimodal", "get_multimodal_embeddings")
"""Methods of a model that take the inputs of its images as keywords: of 0.11.1 and newer, and of
0.11."""
OF_GRAPHS = (
    "get_encoder_cudagraph_item_specs",
    "select_encoder_cudagraph_items",
    "prepare_encoder_cudagraph_replay_buffers",
)
"""Those that take them as one argument, for encoder CUDA graphs."""
_PATCH = "_engine_ext_patch"


def expect_pixels(model: Any, hf_config: Any) -> None:
    """Remember what a patch is of a model that is being built."""
    vars(model)[_PATCH] = Patch.of(hf_config)


def take_pixels(override: Any) -> None:
    """Have a model's class take images of one frame, or as decoded, beside those of stock."""
    for name in EMBEDS:
        if (stock := getattr(override, name, None)) is not None:
            setattr(override, name, _of_keywords(stock))
    for name in OF_GRAPHS:
        if (stock := getattr(override, name, None)) is not None:
            setattr(override, name, _of_one_argument(stock))


def _of_keywords(stock: Any) -> Any:
    @wraps(stock)
    def embed(self: Any, **mm_kwargs: Any) -> Any:
        _make_whole(self, mm_kwargs)
        return stock(self, **mm_kwargs)

    return embed


def _of_one_argument(stock: Any) -> Any:
    @wraps(stock)
    def of_graphs(self: Any, mm_kwargs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        # In place: vLLM asks once for each part of a batch, with the inputs of the whole batch.
        _make_whole(self, mm_kwargs)
        return stock(self, mm_kwargs, *args, **kwargs)

    return of_graphs


def _make_whole(model: Any, mm_kwargs: dict[str, Any]) -> None:
    """Make inputs of a model's images what stock would have sent."""
    if mm_kwargs.pop(FORM, None) is not None:
        mm_kwargs[ROWS] = vars(model)[_PATCH].rows(mm_kwargs[ROWS], mm_kwargs[GRIDS])
