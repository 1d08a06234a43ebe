"""Rope positions of a padded batch, and the `get_rope_index` of training code.

The functions take the place of those of the same names in lmms-engine's
`lmms_engine.models.common_ops.rope`, and of `get_rope_index` of transformers before 5 (whose first
argument, the model, gives the configuration):

    Qwen3VLModel.get_rope_index = engine_ext.mrope.qwen3_vl_get_rope_index

A batch is copied from the device once and to it once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine_ext.mrope.families import NONE, QwenTokens, qwen2_5_vl, qwen3_vl
from engine_ext.mrope.index import rope_index
from engine_ext.mrope.spans import BadSpans, Ints, Spans

PADDING = 1  # position of what is masked, as in transformers


def qwen3_vl_get_rope_index(
    self: Any,
    input_ids: Tensor,
    image_grid_thw: Tensor | None = None,
    video_grid_thw: Tensor | None = None,
    attention_mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Positions of a batch of Qwen3-VL (and Qwen3-VL-MoE, Qwen3.5).

    Args:
        self: the model; only its ``config`` is read.
        input_ids: (B, S).
        image_grid_thw: (images of the batch, 3), frames, rows and columns of patches.
        video_grid_thw: (videos of the batch, 3).
        attention_mask: (B, S), 0 for padding on either side.

    Returns:
        positions (3, B, S), 1 where masked; and (B, 1), the position of the next token less S.

    Raises:
        BadSpans: grids, mask and prompts do not fit.
    """
    tokens, merge = _tokens(self.config), self.config.vision_config.spatial_merge_size
    ids, mask, images, videos = to_host(input_ids, attention_mask, image_grid_thw, video_grid_thw)

    def find(valid: Ints) -> Spans:
        return qwen3_vl(valid, tokens, _grids(images), _grids(videos), merge)

    has_vision = image_grid_thw is not None or video_grid_thw is not None
    return _positions(input_ids, ids, mask, find if has_vision else None)


def qwen2_5_vl_rope_index(
    self: Any,
    input_ids: Tensor,
    image_grid_thw: Tensor | None = None,
    video_grid_thw: Tensor | None = None,
    second_per_grid_ts: Tensor | Sequence[float] | None = None,
    attention_mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Positions of a batch of Qwen2.5-VL; arguments and results as in `qwen3_vl_get_rope_index`.

    Args:
        second_per_grid_ts: (videos of the batch,), seconds from one frame of the grid to the next;
            cut to integers, as transformers before 5 and lmms-engine do (SGLang does not).
    """
    tokens, vision = _tokens(self.config), self.config.vision_config
    given = None if second_per_grid_ts is None else torch.as_tensor(second_per_grid_ts)
    ids, mask, images, videos, given_seconds = to_host(
        input_ids, attention_mask, image_grid_thw, video_grid_thw, given
    )

    def find(valid: Ints) -> Spans:
        grids = _grids(videos)
        seconds = np.ones(len(grids), np.int64) if given_seconds is None else given_seconds
        return qwen2_5_vl(
            *(valid, tokens, _grids(images), grids, vision.spatial_merge_size),
            *(seconds, vision.tokens_per_second),
        )

    has_vision = image_grid_thw is not None or video_grid_thw is not None
    return _positions(input_ids, ids, mask, find if has_vision else None)


def to_host(*tensors: Tensor | None) -> list[Ints | None]:
    """The tensors as int64 arrays; those on a device come in one copy."""
    away = [t for t in tensors if t is not None and t.device.type != "cpu"]
    if away:
        flat = torch.cat([t.reshape(-1).to(torch.int64) for t in away]).cpu()
        parts = iter(torch.split(flat, [t.numel() for t in away]))
        tensors = tuple(
            next(parts).view(t.shape) if t is not None and t.device.type != "cpu" else t
            for t in tensors
        )
    return [None if t is None else t.detach().to(torch.int64).numpy() for t in tensors]


def _positions(
    input_ids: Tensor,
    ids: Ints | None,
    mask: Ints | None,
    find: Callable[[Ints], Spans] | None,
) -> tuple[Tensor, Tensor]:
    """Positions of every row, the spans being found in all valid tokens at once."""
    assert ids is not None
    valid = np.ones(ids.shape, bool) if mask is None else mask != 0
    if valid.shape != ids.shape:
        raise BadSpans(f"a mask of shape {valid.shape} for ids of shape {ids.shape}")
    rows, length = ids.shape
    spans = Spans(np.empty(0, np.int64), NONE) if find is None else find(ids[valid])
    ends = np.cumsum(valid.sum(axis=1))
    first = np.searchsorted(spans.starts, np.append(0, ends))
    # Positions and, behind them, a number for each row: one array, copied to the device once.
    flat = np.full(3 * rows * length + rows, PADDING, np.int64)
    positions, deltas = flat[:-rows].reshape(3, rows, length), flat[-rows:]
    for row, (begin, end) in enumerate(zip(np.append(0, ends), ends, strict=False)):
        own = _part(spans, slice(first[row], first[row + 1]), int(begin))
        found, following = rope_index(int(end - begin), own)
        positions[:, row, valid[row]] = found
        padded = find is None and not valid[row].all()
        # Without vision, transformers counts the position of padding as one of the prompt's.
        deltas[row] = (max(following, PADDING + 1) if padded else following) - length
    moved = torch.from_numpy(flat).to(input_ids.device, input_ids.dtype)
    return moved[:-rows].view(3, rows, length), moved[-rows:].view(rows, 1)


def _part(spans: Spans, chosen: slice, begin: int) -> Spans:
    """Some of the spans, counted from token ``begin`` on."""
    times = None
    if spans.times is not None:
        before = np.append(0, np.cumsum(spans.frames))
        times = spans.times[before[chosen.start] : before[chosen.stop]]
    return Spans(spans.starts[chosen] - begin, spans.grids[chosen], times)


def _tokens(config: Any) -> QwenTokens:
    return QwenTokens(config.image_token_id, config.video_token_id, config.vision_start_token_id)


def _grids(grids: NDArray[np.int64] | None) -> Ints:
    return NONE if grids is None else grids
