"""Pixels as uint8 between processes, and the processor's own rows where the model is."""

from engine_ext.pixels.identity import identity
from engine_ext.pixels.rows import compact_image, compact_video, restore
from engine_ext.pixels.values import STEPS, NotByValue, PixelValues

__all__ = [
    "STEPS",
    "NotByValue",
    "PixelValues",
    "compact_image",
    "compact_video",
    "identity",
    "restore",
]
