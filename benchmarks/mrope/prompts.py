"""The prompts whose positions are timed, with the token ids of the released models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from engine_ext.mrope import GlmTokens, QwenTokens
from engine_ext.mrope.families import NONE

QWEN = QwenTokens(image=151655, video=151656, vision_start=151652)
QWEN_END = 151653
GLM = GlmTokens(image=151343, video_start=151341, video_end=151342)
GLM_BEGIN, GLM_END = 151339, 151340
FAMILIES = ("qwen3_vl", "qwen2_5_vl", "qwen2_vl", "glm4v")
FRAMES, SIDES = 16, (20, 24)  # of a video, in patches
IMAGE = (1, 40, 48)
SWEPT = " spans"  # what the title of a prompt ends in that is for the picture alone


@dataclass
class Prompt:
    """Ids (S,) and what stands in them."""

    family: str
    title: str
    ids: np.ndarray
    images: np.ndarray = field(default_factory=lambda: NONE)
    videos: np.ndarray = field(default_factory=lambda: NONE)
    merge_size: int = 2
    per_second: int = 2

    @property
    def tokens(self) -> QwenTokens | GlmTokens:
        return GLM if self.family == "glm4v" else QWEN

    @property
    def seconds(self) -> np.ndarray:
        return np.ones(len(self.videos), np.float32)


def images(family: str, count: int) -> Prompt:
    ids = _text(60)
    for _ in range(count):
        ids += _span(family, int(np.prod(IMAGE)) // 4, is_video=False) + _text(8)
    grids = np.array([IMAGE] * count)
    return Prompt(family, f"{count} images", np.array(ids + _text(60)), images=grids)


def videos(family: str, count: int) -> Prompt:
    """Of 16 frames each: 120 tokens a frame, and six of a timestamp where the family has them."""
    ids, frame = _text(40), SIDES[0] * SIDES[1] // 4
    for _ in range(count):
        if family in ("qwen2_5_vl", "qwen2_vl"):
            ids += _span(family, FRAMES * frame, is_video=True)
        elif family == "qwen3_vl":
            for _ in range(FRAMES):
                ids += _text(6) + _span(family, frame, is_video=True)
        else:
            parts = [_span(family, frame, is_video=True) + _text(3) for _ in range(FRAMES)]
            ids += [GLM.video_start, *(token for part in parts for token in part), GLM.video_end]
        ids += _text(8)
    grids = np.array([(FRAMES, *SIDES)] * count)
    return Prompt(family, f"{count} videos", np.array(ids + _text(40)), videos=grids)


def spread(spans: int, tokens: int) -> Prompt:
    """Of Qwen3-VL: ``tokens`` of vision in so many images, both powers of two."""
    each = tokens // spans
    rows = 1 << (each.bit_length() - 1) // 2
    ids = _text(60)
    for _ in range(spans):
        ids += _span("qwen3_vl", each, is_video=False) + _text(2)
    grids = np.array([(1, 2 * rows, 2 * each // rows)] * spans)
    return Prompt("qwen3_vl", f"{spans}{SWEPT}", np.array(ids), images=grids)


def _span(family: str, tokens: int, is_video: bool) -> list[int]:
    if family == "glm4v":
        return [GLM_BEGIN, *[GLM.image] * tokens, GLM_END]
    placeholder = QWEN.video if is_video else QWEN.image
    return [QWEN.vision_start, *[placeholder] * tokens, QWEN_END]


def _text(tokens: int) -> list[int]:
    return [100 + number % 50 for number in range(tokens)]


CASES: dict[str, Callable[[], list[Prompt]]] = {
    "1 image": lambda: [images(family, 1) for family in FAMILIES],
    "16 images": lambda: [images(family, 16) for family in FAMILIES],
    "8 videos": lambda: [videos(family, 8) for family in FAMILIES],
    "64k": lambda: [videos(family, 31) for family in FAMILIES],
    "256k": lambda: [videos(family, 125) for family in FAMILIES],
    "more tokens": lambda: [spread(8, 1 << power) for power in range(10, 19, 2)],
    "more spans": lambda: [spread(1 << power, 1 << 14) for power in range(0, 11, 2)],
}
