"""The short way, for prompts of few spans: each is found and written by itself.

Most prompts hold one image or a few. Of what `index` does for them nearly all is the overhead of
numpy's calls, several dozen whatever the size; here there are about four for each span.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine_ext.mrope.spans import Ints, Spans

FEW = 40
"""Spans up to which this is the faster way (`python -m benchmarks.mrope --cases "more spans"`)."""


def find(
    is_vision: NDArray[np.bool_],
    is_video: Callable[[int], bool | None],
    images: Ints,
    videos: Ints,
    merge_size: int,
    frames_apart: bool,
) -> Spans | None:
    """The spans of a prompt; None where they are many, or do not fit: `spans` says how.

    Args:
        is_vision: (S,), whether a token is of an image or a video.
        is_video: given the first token of a span; None for one that cannot be.
        images: (a, 3), frames, rows and columns of patches.
        videos: (b, 3), the same.
        frames_apart: whether each frame of a video is a span.
    """
    if images.shape[1:] != (3,) or videos.shape[1:] != (3,) or len(images) + len(videos) > FEW:
        return None
    pictures, clips = images.tolist(), videos.tolist()
    if frames_apart and clips:
        if len(pictures) + sum(frames for frames, _, _ in clips) > FEW:
            return None
        clips = [(1, *sides) for frames, *sides in clips for _ in range(frames)]
    left = iter(pictures), iter(clips)
    marks, end = is_vision.tobytes(), 0
    starts, grids = [], []
    while (start := marks.find(1, end)) >= 0:
        end = marks.find(0, start)
        if end < 0:
            end = len(marks)
        kind = is_video(start)
        grid = None if kind is None else next(left[kind], None)
        if grid is None:
            return None
        frames, rows, columns = grid
        if rows % merge_size or columns % merge_size:
            return None
        rows, columns = rows // merge_size, columns // merge_size
        if frames < 1 or rows < 1 or frames * rows * columns != end - start:
            return None
        starts.append(start)
        grids.append((frames, rows, columns))
    return Spans(np.array(starts, np.int64), np.array(grids, np.int64).reshape(-1, 3))


def write(out: Ints, spans: Spans) -> int | None:
    """Positions of every token into ``out``, (3, S); what the next token would have.

    None, with ``out`` half written, for spans that overlap, are not in order or end beyond it.
    """
    length: int = out.shape[1]
    times = spans.times
    # A position is at most the number of tokens before it, unless seconds are counted.
    numbers = np.arange(length if times is None else length + int(spans.advances.sum()))
    token = position = first = 0
    for start, (frames, rows, columns) in zip(
        spans.starts.tolist(), spans.grids.tolist(), strict=True
    ):
        gap, end = start - token, start + frames * rows * columns
        if gap < 0 or end > length:
            return None
        out[:, token:start] = numbers[position : position + gap]
        position += gap
        time, height, width = out[0, start:end], out[1, start:end], out[2, start:end]
        largest = frames
        if times is not None:
            of_each = times[first : first + frames]
            time.reshape(frames, -1)[:] = of_each[:, None] + position
            largest, first = int(of_each[-1]) + 1, first + frames
        elif frames == 1:
            time[:] = position
        else:
            time.reshape(frames, -1)[:] = numbers[position : position + frames, None]
        height.reshape(frames, rows, columns)[:] = numbers[position : position + rows, None]
        width.reshape(-1, columns)[:] = numbers[position : position + columns]
        position += max(largest, rows, columns)
        token = end
    rest = length - token
    out[:, token:] = numbers[position : position + rest]
    return position + rest
