"""The vision spans of one prompt: where they are, and the grid that each holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class BadSpans(ValueError):
    """Prompt and grids do not fit; the message gives the numbers of both."""


@dataclass(frozen=True)
class Spans:
    """The vision spans of one prompt, in order.

    Args:
        starts: (n,), index of the first token of each.
        grids: (n, 3), frames, rows and columns of each after merging; their product is its tokens.
        times: (sum of frames,), position in time of each frame, counted from its span's first; the
            number of the frame where None. Not decreasing within a span.
    """

    starts: Ints
    grids: Ints
    times: Ints | None = None

    @property
    def frames(self) -> Ints:
        """(n,), as are `rows` and `columns`."""
        return self.grids[:, 0]

    @property
    def rows(self) -> Ints:
        return self.grids[:, 1]

    @property
    def columns(self) -> Ints:
        return self.grids[:, 2]

    @property
    def first_frames(self) -> Ints:
        """(n,), index of the first frame of each among the frames of all."""
        return np.cumsum(self.frames) - self.frames

    @property
    def tokens(self) -> Ints:
        """(n,), tokens of each span."""
        found: Ints = self.frames * self.rows * self.columns
        return found

    @property
    def advances(self) -> Ints:
        """(n,), by how much each span advances the positions: its largest, and one."""
        times = self.frames
        if self.times is not None:
            times = self.times[self.first_frames + self.frames - 1] + 1
        found: Ints = np.maximum(np.maximum(times, self.rows), self.columns)
        return found


def runs(mask: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """First index and length of each run of True in ``mask``, (S,): two arrays (n,)."""
    edges: Ints = np.flatnonzero(mask[1:] != mask[:-1]) + 1
    if mask.size and mask[0]:
        edges = np.concatenate([[0], edges])
    if mask.size and mask[-1]:
        edges = np.concatenate([edges, [mask.size]])
    starts, ends = edges[::2], edges[1::2]
    return starts, ends - starts


def merged(grids: Ints, merge_size: int, what: str) -> Ints:
    """Grids of patches (n, 3) as grids of tokens: rows and columns over ``merge_size``.

    Args:
        what: "image" or "video", for the message.

    Raises:
        BadSpans: not (n, 3), a size below one, or rows or columns that do not divide.
    """
    if grids.ndim != 2 or grids.shape[1] != 3:
        raise BadSpans(f"{what} grids of shape {grids.shape}, expected (n, 3)")
    bad = (grids < 1).any(axis=1) | (grids[:, 1:] % merge_size).any(axis=1)
    if bad.any():
        number = int(bad.argmax())
        raise BadSpans(
            f"{what} {number} has the grid {tuple(grids[number].tolist())}, expected sizes of at"
            f" least 1, rows and columns divisible by the merge size {merge_size}"
        )
    found: Ints = grids.copy()
    found[:, 1:] //= merge_size
    return found


def by_frame(grids: Ints) -> Ints:
    """Each frame of each video as a grid of its own: (n, 3) to (sum of frames, 3)."""
    found: Ints = np.repeat(grids, grids[:, 0], axis=0)
    found[:, 0] = 1
    return found


def fitted(
    starts: Ints, lengths: Ints, is_video: NDArray[np.bool_], images: Ints, videos: Ints
) -> Spans:
    """The runs of vision tokens with their grids; grids left over are of what was cut off.

    Args:
        starts: (n,), first token of each run.
        lengths: (n,), tokens of each run.
        is_video: (n,), whether a run takes the next of ``videos`` or of ``images``.
        images: (a, 3), merged.
        videos: (b, 3), merged.

    Raises:
        BadSpans: fewer grids than runs, or a run of another length than its grid.
    """
    clips = int(is_video.sum())
    pictures = len(starts) - clips
    if pictures > len(images) or clips > len(videos):
        raise BadSpans(
            f"the prompt has {pictures} image spans and {clips} video spans, the grids are of"
            f" {len(images)} images and {len(videos)} video spans; give those of every span"
        )
    grids = np.empty((len(starts), 3), np.int64)
    grids[is_video], grids[~is_video] = videos[:clips], images[:pictures]
    spans = Spans(starts, grids)
    wrong = np.flatnonzero(spans.tokens != lengths)
    if wrong.size:
        first = wrong[0]
        raise BadSpans(
            f"the vision span at token {starts[first]} has {lengths[first]} tokens, its grid"
            f" {tuple(grids[first].tolist())} after merging makes {spans.tokens[first]}: cut a"
            " prompt before an image or behind it, not within"
        )
    return spans
