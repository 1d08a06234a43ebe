"""Which processors of transformers exchange pixel values, and how a call asks them for pixels.

They resize, rescale, normalise and cut. A call that leaves out the middle two gives the pixels; an
image is then written once for each frame of a patch, where that cannot be left out too.
Knows them by name and by their attributes, and imports none of them.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor

from engine_ext.pixels.values import STEPS, NotByValue, noise, rows_of

CHANNELS = 3  # these processors convert to RGB
_BACKENDS = ("", "Fast", "Pil")
_ONE_FRAME = frozenset("Qwen2VLImageProcessor" + backend for backend in _BACKENDS)
IMAGES = _ONE_FRAME | {
    name + backend
    for name in ("Glm4vImageProcessor", "Glm46VImageProcessor")
    for backend in _BACKENDS
}
"""Image processors that rescale, then normalise, then cut."""
VIDEOS = frozenset(
    {
        "Qwen2VLVideoProcessor",
        "Qwen3VLVideoProcessor",
        "Glm4vVideoProcessor",
        "Glm46VVideoProcessor",
    }
)
"""Video processors that do the same."""
SETTINGS = (
    *STEPS,
    *("rescale_factor", "image_mean", "image_std"),
    *("patch_size", "temporal_patch_size"),
)
"""What decides how rows are made of a resized image."""


def expect_known(processor: Any, known: Collection[str] = IMAGES) -> None:
    """Whether an image or video processor is one whose steps can be left out and made up for.

    Args:
        known: names of classes of transformers.

    Raises:
        NotByValue: it is another.
    """
    own = type(processor)
    if own.__name__ not in known or not own.__module__.startswith("transformers.models."):
        raise NotByValue(
            f"the processor is {own.__module__}.{own.__name__}, expected one of transformers'"
            f" {', '.join(sorted(known))}"
        )


def frames_written(processor: Any) -> int:
    """How often an image processor writes an image when it is `asked_for_pixels`.

    Once, where the size to which it resizes has nothing to do with it. GLM-4V's limit on an
    image's size counts frames, so that one must write all of them.
    """
    return 1 if type(processor).__name__ in _ONE_FRAME else int(processor.temporal_patch_size)


def asked_for_pixels(processor: Any) -> dict[str, Any]:
    """The settings of a call with which an image processor gives pixels."""
    frames = frames_written(processor)
    return {**STEPS, **({"temporal_patch_size": 1} if frames == 1 else {})}


def with_settings(processor: Any, settings: Mapping[str, Any]) -> Any:
    """A copy of a processor that has others by itself."""
    found = copy.copy(processor)
    for name, value in settings.items():
        setattr(found, name, value)
    return found


def rows_by_both_ways(processor: Any, settings: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """The rows of one picture, resized: as they are, and as they are with ``settings``.

    Raises:
        NotByValue: as `rows_of`.
    """
    asked = with_settings(processor, settings)
    as_stock, as_asked = (rows_of(one, noise(), {"do_resize": True}) for one in (processor, asked))
    return as_stock, as_asked


def row_width(processor: Any) -> int:
    """Values of a row of an image or video processor, C*T*P*P."""
    return CHANNELS * int(processor.temporal_patch_size) * int(processor.patch_size) ** 2
