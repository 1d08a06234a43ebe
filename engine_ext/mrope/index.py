"""Three-axis rope positions of a prompt from its vision spans, with no step per token or frame.

The scheme is that of Qwen2-VL (arXiv:2409.12191, section 2.1): a text token advances all three axes
by one; a vision token has its frame, row and column, counted from one past the largest position
before it. So where the spans are and how large each is gives every position by sums; what remains
is to write them, spans of one grid behind texts of one length together; few spans go the short way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from engine_ext.mrope import short
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
    if len(spans.starts) <= short.FEW and (following := short.write(out, spans)) is not None:
        return out, following
    gaps = _gaps(length, spans.starts, spans.tokens)
    before, rest = gaps[:-1], int(gaps[-1])
    # Positions are counted from 0 in each unit first: a text and the span behind it ...
    lengths = np.append(before + spans.tokens, rest)
    _write_units(out, np.cumsum(lengths) - lengths, before, spans)
    out[:, length - rest :] = np.arange(rest)
    # ... and then from what all units before it have reached.
    steps = np.append(before + spans.advances, rest)
    ends = np.cumsum(steps)
    out += np.repeat(ends - steps, lengths)
    return out, int(ends[-1])


def _write_units(out: Ints, starts: Ints, gaps: Ints, spans: Spans) -> None:
    """Texts of ``gaps`` tokens, and behind each its span: frame, row and column at each token."""
    first_frames = spans.first_frames
    for members in _alike(gaps, spans.frames, spans.rows, spans.columns):
        gap = int(gaps[members[0]])
        frames, rows, columns = spans.grids[members[0]].tolist()
        time, height, width = block = np.empty((3, gap + frames * rows * columns), np.int64)
        block[:, :gap] = np.arange(gap)
        block[:, gap:] = np.indices((frames, rows, columns)).reshape(3, -1) + gap
        if spans.times is not None:
            chosen = spans.times[first_frames[members, None] + np.arange(frames)]
            time = np.broadcast_to(time, (len(members), len(time))).copy()
            time[:, gap:] = np.repeat(chosen + gap, rows * columns, axis=1)
        _place(out, starts[members], (time, height, width))


def _place(out: Ints, starts: Ints, block: Sequence[Ints]) -> None:
    """Write ``block``, three of (n,) or (k, n), into ``out`` (3, S) at each of ``starts``, (k,)."""
    axis, token = out.strides
    count = block[1].shape[-1]
    windows = as_strided(out, (3, out.shape[1] - count + 1, count), (axis, token, token))
    for window, values in zip(windows, block, strict=True):
        window[starts] = values


def _alike(*keys: Ints) -> Iterator[NDArray[np.intp]]:
    """The indices at which all keys, (n,) each, are equal, group by group."""
    order = np.lexsort(keys)
    if len(order):
        changes = np.logical_or.reduce([np.diff(key[order]) != 0 for key in keys])
        yield from np.split(order, np.flatnonzero(changes) + 1)


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
