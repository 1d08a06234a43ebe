"""Rope positions of multimodal requests, in SGLang's tokenizer process.

SGLang computes them there for each request, with torch operations for each span and, for GLM4V, a
Python loop over tokens; no other request is tokenised meanwhile. The functions below take part in
its own: what they know they compute with `engine_ext.mrope`, anything else SGLang computes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from engine_ext import mrope
from engine_ext.mrope.families import NONE
from engine_ext.mrope.spans import Ints, Spans

Positions = tuple[Tensor, Tensor]
"""(3, 1, S) in the dtype of the ids, and (1, 1): the position of the next token less S."""


class Found(NamedTuple):
    """Ours for one request.

    Args:
        kind: the model type, and of what the request consists.
        seconds: from frame to frame, of each of its videos; 0 where time is not counted in seconds.
    """

    kind: tuple[str, ...]
    seconds: frozenset[float]
    positions: Positions


FIND = {
    "qwen2_vl": mrope.qwen2_vl,
    "qwen3_vl": mrope.qwen3_vl,
    "qwen3_vl_moe": mrope.qwen3_vl,
    "qwen3_5": mrope.qwen3_vl,
    "qwen3_5_moe": mrope.qwen3_vl,
}
"""By SGLang's model type, beside `qwen2_5_vl`, whose videos count seconds."""
COUNTED = (torch.float32, torch.float64, torch.int64)
"""Of seconds: the dtypes in which numpy multiplies as torch does."""


def qwen(
    spatial_merge_size: int,
    image_token_id: int,
    video_token_id: int,
    vision_start_token_id: int,
    model_type: str,
    tokens_per_second: float | None = None,
    input_ids: Tensor | None = None,
    image_grid_thw: Any = None,
    video_grid_thw: Any = None,
    second_per_grid_ts: Any = None,
    **_: Any,
) -> Found | None:
    """In place of ``MRotaryEmbedding.get_rope_index``; None where that is to do it.

    Raises:
        BadSpans: the grids do not fit the prompt.
    """
    if not _is_one_prompt(input_ids, image_grid_thw, video_grid_thw):
        return None
    ids, images, videos = _ids(input_ids), _grids(image_grid_thw), _grids(video_grid_thw)
    if ids[-1] == vision_start_token_id:  # cut off: SGLang raises IndexError
        return None
    kind, counted = [model_type, *_consists_of(images, videos)], [0.0]
    tokens = mrope.QwenTokens(image_token_id, video_token_id, vision_start_token_id)
    if model_type == "qwen2_5_vl" and tokens_per_second is not None:
        seconds = _seconds(second_per_grid_ts, len(videos))
        if seconds is None:
            return None
        if len(videos):
            kind.append(f"seconds of {seconds.dtype}, {tokens_per_second!r} positions each")
            counted = seconds.tolist()
        spans = mrope.qwen2_5_vl(
            ids, tokens, images, videos, spatial_merge_size, seconds, tokens_per_second
        )
    elif model_type in FIND:
        spans = FIND[model_type](ids, tokens, images, videos, spatial_merge_size)
    else:
        return None
    return Found(tuple(kind), frozenset(counted), _positions(input_ids, spans))


def glm4v(
    input_ids: Tensor,
    hf_config: Any,
    image_grid_thw: Any,
    video_grid_thw: Any,
    attention_mask: Tensor | None,
    **_: Any,
) -> Found | None:
    """In place of ``MRotaryEmbedding.get_rope_index_glm4v``; None where that is to do it.

    Raises:
        BadSpans: the grids do not fit the prompt.
    """
    if not _is_one_prompt(input_ids, image_grid_thw, video_grid_thw):
        return None
    if attention_mask is not None and not bool((attention_mask == 1).all()):
        return None
    tokens = mrope.GlmTokens(
        hf_config.image_token_id, hf_config.video_start_token_id, hf_config.video_end_token_id
    )
    images, videos = _grids(image_grid_thw), _grids(video_grid_thw)
    merge_size = hf_config.vision_config.spatial_merge_size
    spans = mrope.glm4v(_ids(input_ids), tokens, images, videos, merge_size)
    kind = "glm4v", *_consists_of(images, videos)
    return Found(kind, frozenset([0.0]), _positions(input_ids, spans))


def _consists_of(images: Ints, videos: Ints) -> list[str]:
    return [kind for kind, grids in (("image", images), ("video", videos)) if len(grids)]


def _is_one_prompt(ids: Tensor | None, images: Any, videos: Any) -> bool:
    """Whether it is one prompt with vision, and on the CPU."""
    if ids is None or (images is None and videos is None):
        return False
    return ids.device.type == "cpu" and ids.shape[0] == 1 and ids.numel() > 0


def _ids(ids: Tensor | None) -> Ints:
    assert ids is not None
    found: Ints = ids[0].to(torch.int64).numpy()
    return found


def _grids(grids: Any) -> Ints:
    if grids is None:
        return NONE
    found: Ints = torch.as_tensor(grids).to("cpu", torch.int64).numpy()
    return found


def _seconds(given: Any, count: int) -> Any:
    """Of each video, in the dtype that SGLang computes with; None where it has several, or another.

    Numbers take torch's default dtype there, float32 unless something has changed it.
    """
    if given is None:
        given = torch.ones(count)
    elif not isinstance(given, Tensor):
        dtypes = {one.dtype if isinstance(one, Tensor) else None for one in given}
        if len(dtypes) > 1:
            return None
        are_numbers = dtypes <= {None}
        given = torch.tensor([float(s) for s in given]) if are_numbers else torch.stack(list(given))
    return given.cpu().numpy() if given.dtype in COUNTED else None


def _positions(ids: Tensor | None, spans: Spans) -> Positions:
    assert ids is not None
    length = ids.shape[1]
    positions, following = mrope.rope_index(length, spans)
    delta = torch.tensor([[following - length]])
    return torch.from_numpy(positions).to(ids.dtype).unsqueeze(1), delta
