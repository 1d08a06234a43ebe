"""Where the vision spans of a prompt are, and how its videos count time, by model family.

| family | time of a video |
|---|---|
| Qwen2-VL | the number of the frame |
| Qwen2.5-VL | seconds times `tokens_per_second`, cut to an integer |
| Qwen3-VL, Qwen3.5 | none: each frame is a span of its own, after a timestamp in the text |
| GLM4V | none: each frame is a span of its own, between the tokens that begin and end a video |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine_ext.mrope import short
from engine_ext.mrope.spans import BadSpans, Ints, Spans, by_frame, fitted, merged, runs

NONE = np.empty((0, 3), np.int64)


@dataclass(frozen=True)
class QwenTokens:
    """Token ids of the Qwen families."""

    image: int
    video: int
    vision_start: int


@dataclass(frozen=True)
class GlmTokens:
    """Token ids of GLM4V: frames of a video are image tokens too."""

    image: int
    video_start: int
    video_end: int


def qwen2_vl(ids: Ints, tokens: QwenTokens, images: Ints, videos: Ints, merge_size: int) -> Spans:
    """The spans of a Qwen2-VL prompt.

    Args:
        ids: (S,), token ids with every placeholder in place.
        images: (a, 3), frames, rows and columns of patches of each image, as processors give them.
        videos: (b, 3), the same of each video.
        merge_size: patches along each side of a token.

    Raises:
        BadSpans: the grids do not fit the prompt.
    """
    return _qwen(ids, tokens, images, videos, merge_size, frames_apart=False)


def qwen2_5_vl(
    ids: Ints,
    tokens: QwenTokens,
    images: Ints,
    videos: Ints,
    merge_size: int,
    seconds: NDArray[Any],
    tokens_per_second: float,
) -> Spans:
    """The spans of a Qwen2.5-VL prompt.

    Args:
        seconds: (b,), seconds from one frame of each video's grid to the next. Times are computed
            in its dtype: rounding decides the integer part.
        tokens_per_second: positions a second.

    Other arguments and errors as in `qwen2_vl`.
    """
    if seconds.shape != (len(videos),):
        raise BadSpans(
            f"seconds per frame of shape {seconds.shape}, expected one for each of"
            f" {len(videos)} videos"
        )
    spans = qwen2_vl(ids, tokens, images, videos, merge_size)
    frames = spans.frames
    if frames.max(initial=1) == 1:
        return spans  # each is at its time 0
    steps = np.zeros(len(frames), seconds.dtype)
    is_video = _is_video(ids, tokens, spans.starts)
    steps[is_video] = seconds[: is_video.sum()]
    numbers = np.arange(int(frames.sum())) - np.repeat(spans.first_frames, frames)
    times = numbers.astype(seconds.dtype) * np.repeat(steps, frames)
    times = times * np.asarray(tokens_per_second, _factor_dtype(seconds, tokens_per_second))
    return Spans(spans.starts, spans.grids, times.astype(np.int64))


def qwen3_vl(ids: Ints, tokens: QwenTokens, images: Ints, videos: Ints, merge_size: int) -> Spans:
    """The spans of a Qwen3-VL prompt. Arguments and errors as in `qwen2_vl`."""
    return _qwen(ids, tokens, images, videos, merge_size, frames_apart=True)


def glm4v(ids: Ints, tokens: GlmTokens, images: Ints, videos: Ints, merge_size: int) -> Spans:
    """The spans of a GLM4V prompt. Arguments and errors as in `qwen2_vl`."""
    is_vision = ids == tokens.image
    marks_of: list[bytes] = []  # where videos begin and end, once a span is asked for

    def is_video_from(start: int) -> bool:
        if not marks_of:
            marks_of.extend(
                (ids == one).tobytes() for one in (tokens.video_start, tokens.video_end)
            )
        begins, ends = (marks.rfind(1, 0, start) for marks in marks_of)
        return begins > ends

    found = short.find(is_vision, is_video_from, images, videos, merge_size, frames_apart=True)
    if found is not None:
        return found
    starts, lengths = runs(is_vision)
    frames = by_frame(merged(videos, merge_size, "video"))
    marks = np.flatnonzero((ids == tokens.video_start) | (ids == tokens.video_end))
    last = np.searchsorted(marks, starts) - 1
    is_video = last >= 0
    is_video[is_video] = ids[marks[last[is_video]]] == tokens.video_start
    return fitted(starts, lengths, is_video, merged(images, merge_size, "image"), frames)


def _qwen(
    ids: Ints, tokens: QwenTokens, images: Ints, videos: Ints, merge_size: int, frames_apart: bool
) -> Spans:
    is_vision = (ids == tokens.image) | (ids == tokens.video)

    def is_video_from(start: int) -> bool | None:
        begins = start > 0 and ids[start - 1] == tokens.vision_start
        return bool(ids[start] == tokens.video) if begins else None

    found = short.find(is_vision, is_video_from, images, videos, merge_size, frames_apart)
    if found is not None:
        return found
    starts, lengths = runs(is_vision)
    begun = ids[starts - 1] == tokens.vision_start
    begun[:1] &= starts[:1] > 0  # token -1 is none before the first
    count = int(begun.sum())
    if not begun[:count].all():  # the engines would take it for the image or video that follows
        raise BadSpans(
            f"the vision span at token {starts[begun.argmin()]} does not follow the token"
            f" {tokens.vision_start} that begins one, and others come after it"
        )
    starts, lengths = starts[:count], lengths[:count]  # behind the last they are text
    clips = merged(videos, merge_size, "video")
    clips = by_frame(clips) if frames_apart else clips
    pictures = merged(images, merge_size, "image")
    return fitted(starts, lengths, _is_video(ids, tokens, starts), pictures, clips)


def _is_video(ids: Ints, tokens: QwenTokens, starts: Ints) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = ids[starts] == tokens.video
    return found


def _factor_dtype(seconds: NDArray[Any], factor: float) -> Any:
    """As torch promotes: a Python number takes the dtype of the array, if of its kind."""
    if seconds.dtype.kind == "f" or isinstance(factor, int):
        return seconds.dtype
    return np.float32
