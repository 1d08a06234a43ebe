"""A model's own image processor, made to give pixels, one frame of each image.

It resizes and cuts as before. What it leaves out is done where the model is: rescaling,
normalising, and writing the image once for each frame.
Knows transformers' processors by their attributes and imports nothing of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextvars import ContextVar
from functools import cache
from typing import Any

from torch import Tensor

from engine_ext.pixels.rows import as_bytes
from engine_ext.pixels.values import NotByValue

KNOWN = tuple(
    name + backend
    for name in ("Qwen2VLImageProcessor", "Glm4vImageProcessor", "Glm46VImageProcessor")
    for backend in ("", "Fast", "Pil")
)
"""Image processors of transformers that rescale, then normalise, then cut."""
MODULES = ("transformers.models.", "engine_ext.pixels.")
CHANNELS = 3  # these processors convert to RGB
STEPS = ("do_rescale", "do_normalize")
GEOMETRY = ("patch_size", "temporal_patch_size")
SETTINGS = (*STEPS, "rescale_factor", "image_mean", "image_std")
"""What a request may set otherwise than the model's configuration, beside the geometry."""

_one_frame: ContextVar[bool] = ContextVar("one_frame", default=False)


def expect_known(processor: Any, known: Collection[str] = KNOWN) -> None:
    """Whether an image or video processor is one whose steps can be left out and made up for.

    Args:
        known: names of classes of transformers.

    Raises:
        NotByValue: it is another, or writes an image once.
    """
    own = type(processor)
    if own.__name__ not in known or not own.__module__.startswith(MODULES):
        raise NotByValue(
            f"the processor is {own.__module__}.{own.__name__}, expected one of transformers'"
            f" {', '.join(known)}"
        )
    if processor.temporal_patch_size < 2:
        raise NotByValue("a patch has one frame: a row of pixels cannot be told from a patch")


def give_pixels(processor: Any, *, is_strict: bool = False, ignored: tuple[str, ...] = ()) -> None:
    """From now on the processor gives (N, C*P*P) uint8; idempotent.

    A request that sets one of ``SETTINGS`` otherwise than the processor has it is processed as
    before, and so is one whose images are not of 8 bits.

    Args:
        is_strict: such a request is a ``ValueError``, for an engine that cannot tell both apart.
        ignored: settings that the engine does not leave to requests.
    """
    stock: Any = type(processor)
    if gives_pixels(processor):
        stock = stock.__base__
    processor.__class__ = _giving_pixels(stock, is_strict, ignored)


def gives_pixels(processor: Any) -> bool:
    return getattr(type(processor), "gives_pixels", False)


@cache
def _giving_pixels(stock: Any, is_strict: bool, ignored: tuple[str, ...]) -> type:
    """A class with the name of ``stock``, which others look at."""

    class GivesPixels(stock):  # type: ignore[misc]
        gives_pixels = True

        def preprocess(self, images: Any, *args: Any, **kwargs: Any) -> Any:
            def as_before(reason: str) -> Any:
                if is_strict:
                    raise ValueError(f"{reason}, expected images of 8 bits as the model has them")
                return super(GivesPixels, self).preprocess(images, *args, **kwargs)

            if args or kwargs.get("return_tensors") != "pt":
                return super().preprocess(images, *args, **kwargs)
            asked = {name: value for name, value in kwargs.items() if name not in ignored}
            if (name := differing(self, asked)) is not None:
                return as_before(f"{name} is {asked[name]}")
            frames = _one_frame.set(True)
            try:
                found = super().preprocess(images, **{**kwargs, **dict.fromkeys(STEPS, False)})
            finally:
                _one_frame.reset(frames)
            pixels = one_frame(found["pixel_values"], self.patch_size, self.temporal_patch_size)
            if pixels is None:
                return as_before("an image is not of whole numbers from 0 to 255")
            found["pixel_values"] = pixels
            return found

        def patchify(self, *args: Any, **kwargs: Any) -> Any:
            if _one_frame.get():
                kwargs["temporal_patch_size"] = 1
            return super().patchify(*args, **kwargs)

    GivesPixels.__name__, GivesPixels.__qualname__ = stock.__name__, stock.__qualname__
    return GivesPixels


def differing(processor: Any, given: Mapping[str, Any]) -> str | None:
    """The first setting for which a request asks for another value than the processor has."""
    for name in (*GEOMETRY, *SETTINGS):
        if given.get(name) is not None and given[name] != getattr(processor, name):
            return name
    return None


def one_frame(patches: Any, side: int, frames: int) -> Tensor | None:
    """Patches of pixels as (N, C*P*P) uint8; None where they are anything else.

    Args:
        patches: (N, C*P*P) or (N, C*T*P*P), each frame the same, whole numbers from 0 to 255.
    """
    if not isinstance(patches, Tensor) or patches.dim() != 2:
        return None
    pixels = as_bytes(patches)
    if pixels is None:
        return None
    count, width = pixels.shape
    area = side * side
    if width == CHANNELS * frames * area:
        pixels = pixels.view(count, CHANNELS, frames, area)[:, :, 0].reshape(count, -1)
    return pixels if pixels.shape[1] == CHANNELS * area else None
