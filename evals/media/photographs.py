"""Photographs, another one for every number: cut out of the two that scikit-learn ships."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np

NAMES = ("china.jpg", "flower.jpg")


def photograph(number: int, size: tuple[int, int]) -> bytes:
    """A JPEG cut out of a photograph and resized; another one for every number.

    Args:
        size: pixels, width and height.
    """
    from PIL import Image

    generator = np.random.default_rng(number)
    whole = _whole()[number % len(NAMES)]
    left, top = (int(generator.integers(side // 4)) for side in whole.size)
    cut = whole.crop((left, top, left + 3 * whole.width // 4, top + 3 * whole.height // 4))
    buffer = io.BytesIO()
    cut.resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@cache
def _whole() -> list[Any]:
    from PIL import Image
    from sklearn.datasets import load_sample_image

    return [Image.fromarray(load_sample_image(name)) for name in NAMES]
