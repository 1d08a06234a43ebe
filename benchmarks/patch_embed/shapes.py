"""Patch projections of released models, each shape once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """A projection of patches (channels, frames, height, width) to ``width`` values."""

    models: str
    width: int
    patch: tuple[int, int, int, int]
    bias: bool

    @property
    def columns(self) -> int:
        """Values of a patch, K."""
        channels, frames, height, width = self.patch
        return channels * frames * height * width

    @property
    def shown(self) -> str:
        """As it stands in the record: `D=1024 K=3x2x16x16`."""
        return f"D={self.width} K={'x'.join(map(str, self.patch))}"


SHAPES = (
    Shape("Qwen2-VL, Qwen2.5-VL, MiniMax-M3", 1280, (3, 2, 14, 14), False),
    Shape("Qwen3-VL 2B and 4B", 1024, (3, 2, 16, 16), True),
    Shape("Qwen3-VL 8B and larger", 1152, (3, 2, 16, 16), True),
    Shape("GLM-4.1V, GLM-4.5V", 1536, (3, 2, 14, 14), True),
)
