"""Rope positions of a padded batch, which is copied from the device once and to it once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine_ext.mrope.families import NONE, QwenTokens
from engine_ext.mrope.index import rope_index
from engine_ext.mrope.spans import BadSpans, Ints, Spans, fitted, merged

PADDING = 1  # position of what is masked; transformers from 5.3 on has 0
VIDEO_TYPE = 2  # in `mm_token_type_ids`; 0 is text, 1 an image

Grids = Tensor | Sequence[Sequence[int]] | Sequence[Tensor]
Find = Callable[[Ints, Ints, Ints], Spans]
"""The spans of a row, given its tokens (or their types), and the grids of images and videos."""


@dataclass
class Batch:
    """What was given, on the host: ids or types (B, S), which of them count, and grids."""

    input_ids: Tensor
    ids: Ints
    valid: NDArray[np.bool_]
    images: Ints
    videos: Ints
    are_types: bool

    @classmethod
    def of(
        cls,
        input_ids: Tensor,
        mask: Tensor | None,
        types: Tensor | None,
        images: Grids | None,
        videos: Grids | None,
    ) -> Batch:
        given = (input_ids if types is None else types, mask, as_tensor(images), as_tensor(videos))
        ids, held, *grids = to_host(*given)
        assert ids is not None
        valid = np.ones(ids.shape, bool) if held is None else held == 1
        if held is not None and types is not None:
            valid = held != 0
        if valid.shape != ids.shape or ids.shape != input_ids.shape:
            raise BadSpans(
                f"a mask of shape {valid.shape} for ids of shape {tuple(input_ids.shape)}:"
                " expected the same, 1 for each token and 0 for padding"
            )
        if not valid.any():
            raise BadSpans(
                "the attention mask has no token: expected 1 for each and 0 for padding, as a"
                " tokenizer makes it, not what is added to attention scores"
            )
        pictures, clips = (NONE if one is None else one for one in grids)
        return cls(input_ids, ids, valid, pictures, clips, types is not None)

    def positions(self, find: Find, tokens: QwenTokens, merge_size: int) -> tuple[Tensor, Tensor]:
        """Of every row; the grids that a row has used are not those of the next."""
        rows, length = self.ids.shape
        # Positions and, behind them, a number for each row: one array, copied to the device once.
        flat = np.full(3 * rows * length + rows, 0 if self.are_types else PADDING, np.int64)
        positions, deltas = flat[:-rows].reshape(3, rows, length), flat[-rows:]
        images, videos = self.images, self.videos
        for row in range(rows):
            chosen = _together(self.valid[row])
            own, out = self.ids[row, chosen], positions[:, row, chosen]
            try:
                if self.are_types:
                    spans = _by_type(own, images, videos, merge_size)
                    clips = own[spans.starts] == VIDEO_TYPE
                else:
                    spans = find(own, images, videos)
                    clips = own[spans.starts] == tokens.video
                out, following = rope_index(len(own), spans, out)
            except BadSpans as error:
                raise BadSpans(f"row {row} of {rows}: {error}") from error
            images, videos = images[(~clips).sum() :], videos[clips.sum() :]
            if not isinstance(chosen, slice):
                positions[:, row, chosen] = out
            deltas[row] = following - (len(own) if self.are_types else length)
        moved = torch.from_numpy(flat).to(self.input_ids.device, self.input_ids.dtype)
        return moved[:-rows].view(3, rows, length), moved[-rows:].view(rows, 1)


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


def _together(valid: NDArray[np.bool_]) -> slice | NDArray[np.bool_]:
    """The tokens of a row: a slice, which copies nothing, unless what is masked lies between."""
    first, count = int(valid.argmax()), int(valid.sum())
    chosen = slice(first, first + count)
    return chosen if valid[chosen].all() else valid


def _by_type(types: Ints, images: Ints, videos: Ints, merge_size: int) -> Spans:
    """A span wherever the type is another than before it, and not that of text."""
    edges = np.flatnonzero(np.diff(types, prepend=0, append=0))
    starts, lengths = edges[:-1], np.diff(edges)
    vision = types[starts] != 0
    starts, lengths = starts[vision], lengths[vision]
    grids = merged(images, merge_size, "image"), merged(videos, merge_size, "video")
    return fitted(starts, lengths, types[starts] == VIDEO_TYPE, *grids)


def counted(input_ids: Tensor | None, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Without vision: as transformers before 5 does it, the mask summed."""
    if mask is not None:
        found = (mask.long().cumsum(-1) - 1).masked_fill(mask == 0, PADDING)
        return found.expand(3, -1, -1), found.amax(-1, keepdim=True) + 1 - mask.shape[-1]
    if input_ids is None:
        raise BadSpans("neither input_ids nor attention_mask: one of them says how long rows are")
    rows, length = input_ids.shape
    found = torch.arange(length, device=input_ids.device).expand(3, rows, -1)
    return found, input_ids.new_zeros(rows, 1)


def as_tensor(given: Any) -> Tensor | None:
    """Lists and arrays too, of numbers, of lists and of tensors."""
    if given is None or isinstance(given, Tensor):
        return given
    return torch.stack([torch.as_tensor(one) for one in given]) if len(given) else None
