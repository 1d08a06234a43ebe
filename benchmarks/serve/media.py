"""What is sent to a server: photographs, and clips of them, as content parts of OpenAI's API."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable
from typing import Any

from evals.media.content import part
from evals.media.photographs import photograph

QUESTION = "What is in this picture?"
FIRST = 500_000
"""Number of the first photograph that is sent one by one; those of loads are smaller."""
_numbers = itertools.count(FIRST)
SIZES = {"448": (448, 448), "1080p": (1920, 1080), "4k": (3840, 2160)}
CLIP, FRAMES, FPS = (1280, 720), 64, 2
"""A clip: pixels, width and height; SGLang takes two frames a second."""

Part = dict[str, Any]


def picture(number: int, size: tuple[int, int]) -> Part:
    """A photograph."""
    return part("image/jpeg", photograph(number, size))


def video(numbers: Iterable[int], size: tuple[int, int]) -> Part:
    """Photographs one after the other; one that comes again is made once."""
    from PIL import Image

    from evals.media.avi import encode_avi

    numbers = list(numbers)
    made = {number: Image.open(io.BytesIO(photograph(number, size))) for number in {*numbers}}
    return part("video/avi", encode_avi([made[number] for number in numbers], FPS))


def new_picture(size: tuple[int, int]) -> Part:
    """A photograph that no server was sent in this run."""
    return picture(next(_numbers), size)


def new_clip() -> Part:
    """Of two photographs that take turns, behind one that no server was sent."""
    others = [0, 1] * FRAMES
    return video([next(_numbers), *others[: FRAMES - 1]], CLIP)


def question(*media: Part) -> list[Part]:
    return [*media, {"type": "text", "text": QUESTION}]
