"""Images of uint8 resized as torch resizes them on a CPU, bit for bit, on any device."""

from engine_ext.pixels.resize.resized import make_ready, resized

__all__ = ["make_ready", "resized"]
