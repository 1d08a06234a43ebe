"""Three-axis rope positions of a prompt from its vision spans, with no step per token or frame.

The scheme is that of Qwen2-VL (arXiv:2409.12191, section 2.1): a text token advances all three axes
by one; a vision token has its frame, row and column, counted from one past the largest position
before it. So where the spans are and how long each is gives every position by sums; what remains
is to write them. Spans of one grid are written together, and so are texts of one length.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from engine_ext.mrope.spans import BadSpans, Ints, Spans


def rope_index(length: int, spans: Spans, out: Ints | None = None) -> tuple[Ints, int]:
    """Positions of every token, and one past the largest.

    Args:
        length: S, tokens of the prompt.
        out: (3, S) int64 to write into; a new array where None.

    Returns:
        positions (3, S): time, height, width; and the position that the next token would have.

    Raises:
        BadSpans: spans that overlap, are not in order or end beyond the prompt.
    """
    if out is None:
        out = np.empty((3, length), np.int64)
    starts, tokens = spans.starts, spans.tokens
    gaps = _gaps(length, starts, tokens)
    advances = spans.advances
    # The position of the first token of each text and of each span: all before it, summed.
    bases = np.cumsum(gaps[:-1]) + np.cumsum(advances) - advances
    end = int(gaps.sum() + advances.sum())
    _write_texts(out, gaps, np.append(starts, length) - gaps, np.append(bases, end) - gaps)
    _write_spans(out, spans, bases)
    return out, end


def _write_texts(out: Ints, lengths: Ints, starts: Ints, bases: Ints) -> None:
    """Text of the given lengths from each of ``starts`` on, at the positions from ``bases`` on."""
    for members in _alike(lengths):
        length = int(lengths[members[0]])
        if length:
            positions = bases[members, None, None, None] + np.arange(length)
            for axis in _windows(out, 1, 1, length):
                axis[starts[members]] = positions


def _write_spans(out: Ints, spans: Spans, bases: Ints) -> None:
    """Every span at the positions from ``bases`` on."""
    first_frames = np.cumsum(spans.frames) - spans.frames
    for members in _alike((spans.frames << 42) + (spans.rows << 21) + spans.columns):
        frames, rows, columns = spans.grids[members[0]].tolist()
        starts, base = spans.starts[members], bases[members, None]
        times = np.arange(frames)
        if spans.times is not None:
            times = spans.times[first_frames[members, None] + times]
        time, height, width = _windows(out, frames, rows, columns)
        time[starts] = (base + times)[:, :, None, None]
        height[starts] = (base + np.arange(rows))[:, None, :, None]
        width[starts] = (base + np.arange(columns))[:, None, None, :]


def _windows(out: Ints, frames: int, rows: int, columns: int) -> Ints:
    """(3, W, frames, rows, columns): ``out`` (3, S) from each token on, seen as such a grid."""
    axis, token = out.strides
    windows = out.shape[1] - frames * rows * columns + 1
    strides = (axis, token, rows * columns * token, columns * token, token)
    return as_strided(out, (3, windows, frames, rows, columns), strides)


def _alike(keys: Ints) -> Iterator[NDArray[np.intp]]:
    """The indices of equal keys, group by group."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    if len(keys):
        yield from np.split(order, np.flatnonzero(ordered[1:] != ordered[:-1]) + 1)


def _gaps(length: int, starts: Ints, tokens: Ints) -> Ints:
    """(n + 1,): tokens of text before each span, and after the last."""
    gaps: Ints = np.append(starts, length) - np.append(0, starts + tokens)
    if (gaps < 0).any():
        number = max(int((gaps < 0).argmax()) - 1, 0)
        raise BadSpans(
            f"vision span {number} of {len(starts)}, {tokens[number]} tokens from"
            f" {starts[number]} on, reaches into what follows it; the prompt has {length} tokens"
        )
    return gaps
