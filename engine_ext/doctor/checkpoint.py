"""The model that is measured: where it lies, and the sizes of its patch projection."""

from __future__ import annotations

import json
import math
import os
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

IMAGE = (1080, 1920)  # pixels, height and width
MOST = {"width": 16384, "channels": 16, "frames": 16, "side": 64}
MOST_VALUES = 2**26
"""Sizes of a projection, and of its weight, above which it is none of an image's patches: nothing
is allocated."""


class NoProjection(ValueError):
    """A folder that holds no vision model; the message says what it holds."""


@dataclass(frozen=True)
class Projection:
    """Sizes of a patch projection: `width` values from patches (channels, frames, side, side)."""

    width: int
    channels: int
    frames: int
    side: int

    @property
    def patch(self) -> tuple[int, int, int, int]:
        return (self.channels, self.frames, self.side, self.side)

    @property
    def patches(self) -> int:
        """Of one image of `IMAGE` pixels."""
        height, width = IMAGE
        return (height // self.side) * (width // self.side)


DEFAULT = Projection(1152, 3, 2, 16)
"""Of Qwen3-VL-8B."""


def folder_of(model: str) -> Path:
    """The folder of a model: named itself, or by its id on the Hugging Face hub, if it is cached.

    Nothing is downloaded.

    Raises:
        NoProjection: it is an id, and not in the cache.
    """
    folder = Path(model)
    if os.path.lexists(folder) or not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", model):
        return folder
    try:
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(model, "config.json")
    except (ImportError, ValueError) as error:  # it is not installed, or this cannot be an id
        raise NoProjection(
            f"{model}: no folder here, and not looked for in a cache: {error}"
        ) from None
    if isinstance(cached, str):
        return Path(cached).parent
    raise NoProjection(
        f"{model}: no folder here, and not in the cache of Hugging Face; expected one of them:"
        f" `hf download {model} --include '*config.json'` puts there what is needed"
    )


def of_checkpoint(folder: Path) -> Projection:
    """The projection of the model in a folder, by its ``config.json``.

    Raises:
        NoProjection: there is none, or the configuration does not say its sizes.
    """
    file = folder / "config.json"
    try:
        config = json.loads(file.read_text())
    except OSError as error:
        raise NoProjection(f"{file}: {error.strerror}; expected the folder of a model") from None
    except (ValueError, RecursionError) as error:  # no JSON, or no text
        raise NoProjection(f"{file} is no JSON: {error}") from None
    if not isinstance(config, dict):
        raise NoProjection(f"{file} holds a {type(config).__name__}, expected an object of JSON")
    vision = config.get("vision_config")
    if vision is None and isinstance(config.get("thinker_config"), dict):
        vision = config["thinker_config"].get("vision_config")
    if not isinstance(vision, dict):
        names = ", ".join(sorted(config)) or "nothing"
        raise NoProjection(f"{file} has no vision_config; found {textwrap.shorten(names, 200)}")
    frames = vision.get("temporal_patch_size")
    width, side = vision.get("embed_dim") or vision.get("hidden_size"), vision.get("patch_size")
    sizes = {"embed_dim or hidden_size": width, "temporal_patch_size": frames, "patch_size": side}
    missing = [name for name, size in sizes.items() if not isinstance(size, int)]
    if missing:
        raise NoProjection(f"vision_config of {file} has no {', no '.join(missing)} as a number")
    channels = vision.get("in_channels") or vision.get("in_chans") or 3
    found: dict[str, Any] = dict(zip(MOST, (width, channels, frames, side), strict=True))
    for name, size in found.items():
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MOST[name]:
            raise NoProjection(
                f"vision_config of {file} says {name} {size!r}, expected 1 to {MOST[name]}"
            )
    if (values := math.prod(found.values()) * side) > MOST_VALUES:
        raise NoProjection(
            f"vision_config of {file} says a weight of {values} values, expected at most"
            f" {MOST_VALUES}"
        )
    return Projection(**found)
