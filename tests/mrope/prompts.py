"""Multimodal prompts as processors make them, drawn by hypothesis."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from engine_ext.mrope import GlmTokens, QwenTokens

QWEN = QwenTokens(image=101, video=102, vision_start=103)
QWEN_END = 104
GLM = GlmTokens(image=201, video_start=202, video_end=203)
GLM_BEGIN, GLM_END = 204, 205
TEXT = 7
MERGE = 2


@dataclass
class Prompt:
    """Token ids and the grids of patches that they hold places for."""

    ids: list[int] = field(default_factory=list)
    images: list[tuple[int, int, int]] = field(default_factory=list)
    videos: list[tuple[int, int, int]] = field(default_factory=list)

    def array(self):
        return np.array(self.ids, np.int64)

    def grids(self):
        return tuple(
            np.array(found, np.int64).reshape(-1, 3) for found in (self.images, self.videos)
        )


sides = st.integers(1, 4).map(lambda tokens: tokens * MERGE)
images = st.tuples(st.just(1), sides, sides)
videos = st.tuples(st.integers(1, 4), sides, sides)
texts = st.integers(0, 5)


@st.composite
def prompts(draw, family):
    """Texts of any length between images and videos, at the ends too, or no vision at all."""
    prompt = Prompt([TEXT] * draw(texts))
    for is_video in draw(st.lists(st.booleans(), max_size=5)):
        grid = draw(videos if is_video else images)
        (prompt.videos if is_video else prompt.images).append(grid)
        prompt.ids += _placed(draw, family, grid, is_video)
        prompt.ids += [TEXT] * draw(texts)
    prompt.ids = prompt.ids or [TEXT]
    return prompt


def _placed(draw, family, grid, is_video):
    frames, rows, columns = grid
    tokens = rows * columns // MERGE**2
    if family == "glm4v":
        frame = [GLM_BEGIN, *[GLM.image] * tokens, GLM_END]
        if not is_video:
            return frame
        parts = [token for _ in range(frames) for token in [*frame, *[TEXT] * draw(texts)]]
        return [GLM.video_start, *parts, GLM.video_end]
    placeholder = QWEN.video if is_video else QWEN.image
    if family == "qwen3_vl" and is_video:
        frame = [QWEN.vision_start, *[placeholder] * tokens, QWEN_END]
        return [token for _ in range(frames) for token in [*[TEXT] * draw(texts), *frame]]
    return [QWEN.vision_start, *[placeholder] * (frames * tokens), QWEN_END]
