"""A model's own video processor, made to give pixels.

Each pixel of a video is written once by any processor, so all that is left out is rescaling and
normalising.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

from engine_ext.pixels.processors import STEPS, differing, gives_pixels

KNOWN = (
    "Qwen2VLVideoProcessor",
    "Qwen3VLVideoProcessor",
    "Glm4vVideoProcessor",
    "Glm46VVideoProcessor",
)
"""Video processors of transformers that rescale, then normalise, then cut."""


def give_clips(processor: Any) -> None:
    """From now on the processor gives (N, C*T*P*P) uint8; idempotent.

    A request that sets a step otherwise than the processor has it is processed as before, and so
    is one whose frames are not of 8 bits.
    """
    if not gives_pixels(processor):
        stock: Any = type(processor)
        processor.__class__ = _giving_clips(stock)


@cache
def _giving_clips(stock: Any) -> type:
    """A class with the name of ``stock``, which others look at."""

    class GivesClips(stock):  # type: ignore[misc]
        gives_pixels = True

        def preprocess(self, videos: Any, **kwargs: Any) -> Any:
            if differing(self, kwargs) is None:
                found = super().preprocess(videos, **{**kwargs, **dict.fromkeys(STEPS, False)})
                if getattr(found["pixel_values_videos"], "dtype", None) == torch.uint8:
                    return found
            return super().preprocess(videos, **kwargs)

    GivesClips.__name__, GivesClips.__qualname__ = stock.__name__, stock.__qualname__
    return GivesClips
