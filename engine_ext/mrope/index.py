"""Three-axis rope positions of a prompt from its vision spans, with no step per token or frame.

The scheme is that of Qwen2-VL (arXiv:2409.12191, section 2.1): a text token advances all three axes
by one; a vision token has its frame, row and column, counted from one past the largest position
before it. So where the spans are and how large each is gives every position by sums; what remains
is to write them. Spans of one grid are written together, and so are texts of one length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    tokens, advances = spans.tokens, spans.advances
    gaps = _gaps(length, spans.starts, tokens)
    # Within each text and each span positions count from 0 first ...
    _write_texts(out, gaps, np.append(spans.starts, length) - gaps)
    _write_spans(out, spans)
    # ... and then from the position that all before it have reached.
    lengths, steps = np.empty((2, 2 * len(gaps) - 1), np.int64)
    lengths[::2], lengths[1::2] = gaps, tokens
    steps[::2], steps[1::2] = gaps, advances
    ends = np.cumsum(steps)
    out += np.repeat(ends - steps, lengths)
    return out, int(ends[-1])


def _write_texts(out: Ints, lengths: Ints, starts: Ints) -> None:
    """Text of the given lengths from each of ``starts`` on."""
    for members in _alike(lengths):
        length = int(lengths[members[0]])
        if length:
            ramp = np.arange(length)
            _place(out, starts[members], (ramp, ramp, ramp))


def _write_spans(out: Ints, spans: Spans) -> None:
    """Every span: its frame, row and column at each token."""
    first_frames = np.cumsum(spans.frames) - spans.frames
    for members in _alike((spans.frames << 42) + (spans.rows << 21) + spans.columns):
        frames, rows, columns = spans.grids[members[0]].tolist()
        time, height, width = np.indices((frames, rows, columns)).reshape(3, -1)
        if spans.times is not None:
            chosen = spans.times[first_frames[members, None] + np.arange(frames)]
            time = np.repeat(chosen, rows * columns, axis=1)
        _place(out, spans.starts[members], (time, height, width))


def _place(out: Ints, starts: Ints, block: Sequence[Ints]) -> None:
    """Write ``block``, three of (n,) or (k, n), into ``out`` (3, S) at each of ``starts``, (k,)."""
    axis, token = out.strides
    count = block[1].shape[-1]
    windows = as_strided(out, (3, out.shape[1] - count + 1, count), (axis, token, token))
    for window, values in zip(windows, block, strict=True):
        window[starts] = values


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
