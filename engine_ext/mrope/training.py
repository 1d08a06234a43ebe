"""`get_rope_index` of training code.

The functions take the place of those of the same names in lmms-engine's
`lmms_engine.models.common_ops.rope`, and of `get_rope_index` of transformers (whose first argument,
the model, gives the configuration); docs/mrope.md has which versions, and an example:

    Qwen3VLModel.get_rope_index = engine_ext.mrope.qwen3_vl_get_rope_index
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from engine_ext.mrope.batch import Batch, Grids, as_tensor, counted, to_host
from engine_ext.mrope.families import QwenTokens, qwen2_5_vl, qwen3_vl
from engine_ext.mrope.spans import Ints, Spans, by_frame, merged


def qwen3_vl_get_rope_index(
    self: Any,
    input_ids: Tensor | None = None,
    image_grid_thw: Grids | None = None,
    video_grid_thw: Grids | None = None,
    attention_mask: Tensor | None = None,
    mm_token_type_ids: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, Tensor]:
    """Positions of a batch of Qwen3-VL (and Qwen3-VL-MoE, Qwen3.5).

    Args:
        self: the model; only its ``config`` is read.
        input_ids: (B, S); None where the batch is of embeddings, which is counted by its mask.
        image_grid_thw: (images of the batch, 3), frames, rows and columns of patches. Those left
            over, of what was cut off, are ignored.
        video_grid_thw: (videos of the batch, 3).
        attention_mask: (B, S), 1 for tokens. Whatever else is in it, as 2 for the second of packed
            prompts, is padding; with types, what is not 0 is a token.
        mm_token_type_ids: (B, S), 0 for text, 1 for images, 2 for videos. Given by transformers
            from 5.3 on: then results are those of its function.

    Returns:
        positions (3, B, S), 1 where masked (0 with types); and (B, 1), the position of the next
        token less S (less the tokens of the row with types).

    Raises:
        BadSpans: grids, mask and prompts do not fit.
    """
    if input_ids is None or _is_text(image_grid_thw, video_grid_thw, mm_token_type_ids):
        return counted(input_ids, attention_mask)
    merge_size = self.config.vision_config.spatial_merge_size

    def find(ids: Ints, images: Ints, videos: Ints) -> Spans:
        return qwen3_vl(ids, _tokens(self.config), images, videos, merge_size)

    batch = Batch.of(input_ids, attention_mask, mm_token_type_ids, image_grid_thw, video_grid_thw)
    batch.videos = by_frame(merged(batch.videos, 1, "video"))
    return batch.positions(find, _tokens(self.config), merge_size)


def qwen2_5_vl_rope_index(
    self: Any,
    input_ids: Tensor | None = None,
    image_grid_thw: Grids | None = None,
    video_grid_thw: Grids | None = None,
    second_per_grid_ts: Tensor | Sequence[float] | None = None,
    attention_mask: Tensor | None = None,
    mm_token_type_ids: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, Tensor]:
    """Positions of a batch of Qwen2.5-VL; arguments and results as in `qwen3_vl_get_rope_index`.

    Args:
        second_per_grid_ts: (videos of the batch,), seconds from one frame of the grid to the next;
            cut to integers, as transformers before 5 and lmms-engine do (SGLang does not).

    Raises:
        NotImplementedError: types and videos; transformers 5 counts time otherwise.
    """
    if input_ids is None or _is_text(image_grid_thw, video_grid_thw, mm_token_type_ids):
        return counted(input_ids, attention_mask)
    if mm_token_type_ids is not None and video_grid_thw is not None:
        raise NotImplementedError(
            "mm_token_type_ids and videos of Qwen2.5-VL: transformers 5 counts the time of a video"
            " otherwise; keep its own get_rope_index there (images, and Qwen3-VL, are done here)"
        )
    batch = Batch.of(input_ids, attention_mask, mm_token_type_ids, image_grid_thw, video_grid_thw)
    vision, count = self.config.vision_config, len(batch.videos)
    seconds = np.ones(count, np.int64)
    if (given := as_tensor(second_per_grid_ts)) is not None:
        seconds = np.asarray(to_host(given)[0])

    def find(ids: Ints, images: Ints, videos: Ints) -> Spans:
        first = count - len(videos)
        return qwen2_5_vl(
            *(ids, _tokens(self.config), images, videos, vision.spatial_merge_size),
            *(seconds[first : first + len(videos)], vision.tokens_per_second),
        )

    return batch.positions(find, _tokens(self.config), vision.spatial_merge_size)


def _is_text(*given: object) -> bool:
    return all(one is None for one in given)


def _tokens(config: Any) -> QwenTokens:
    return QwenTokens(config.image_token_id, config.video_token_id, config.vision_start_token_id)
