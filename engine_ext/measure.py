"""What a patch projection costs on this device: the convolution, and the product in its place."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

IMAGE = (1080, 1920)  # pixels, height and width
LONGEST = 1.0  # seconds that one call may take; fewer patches are measured where it would be more
DTYPE = "bfloat16"


MOST = {"width": 16384, "channels": 16, "frames": 16, "side": 64}
"""Sizes of a projection above which it is none of an image's patches: nothing is allocated."""


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
    except ValueError as error:  # no JSON, or no text
        raise NoProjection(f"{file} is no JSON: {error}") from None
    if not isinstance(config, dict):
        raise NoProjection(f"{file} holds a {type(config).__name__}, expected an object of JSON")
    vision = config.get("vision_config")
    if vision is None and isinstance(config.get("thinker_config"), dict):
        vision = config["thinker_config"].get("vision_config")
    if not isinstance(vision, dict):
        raise NoProjection(f"{file} has no vision_config; found {', '.join(sorted(config))}")
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
    return Projection(**found)


def measure(projection: Projection = DEFAULT) -> dict[str, Any]:
    """Time both on a GPU if there is one, on the CPU otherwise. Takes seconds.

    Returns:
        ``projection``, ``device``, ``dtype``, ``path`` (what torch computes the convolution by),
        ``patches`` (of an image), ``measured`` (patches that were timed), ``conv_ms`` and
        ``product_ms`` (of an image, in proportion to the patches that were timed), ``ratio``,
        ``advice``.
    """
    import torch
    from torch import nn

    from engine_ext.patch_embed import PatchConv3d

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = getattr(torch, DTYPE)
    kernel = projection.patch[1:]
    conv = nn.Conv3d(projection.channels, projection.width, kernel, stride=kernel)
    conv = conv.to(device, dtype).requires_grad_(False)
    product = PatchConv3d.sharing(conv)
    count = 64
    with torch.inference_mode():
        while True:
            cut = torch.randn(count, *projection.patch, device=device, dtype=dtype)
            by_conv = _milliseconds(lambda cut=cut: conv(cut))  # type: ignore[misc]
            following = min(8 * count, projection.patches)
            if following == count or by_conv * following / count > 1e3 * LONGEST:
                break
            count = following
        by_product = _milliseconds(lambda: product(cut))
        path = _path(cut, conv)
    scale = projection.patches / count
    found = {
        "projection": asdict(projection),
        "device": torch.cuda.get_device_name() if device == "cuda" else "CPU",
        "dtype": DTYPE,
        "path": path,
        "patches": projection.patches,
        "measured": count,
        "conv_ms": by_conv * scale,
        "product_ms": by_product * scale,
        "ratio": by_conv / by_product,
    }
    return {**found, "advice": advice(found)}


def advice(found: Mapping[str, Any]) -> str:
    """One line: whether an engine that convolves gains by the extension here."""
    saved = found["conv_ms"] - found["product_ms"]
    if found["ratio"] < 1.1:
        return "a convolution costs no more than a product here: nothing to gain in speed"
    size = "much" if found["ratio"] >= 20 else "something"
    return (
        f"{size} to gain where the engine convolves: {saved:.3g} ms an image, "
        f"{found['ratio']:.3g} times; `stock runs` says whether yours does"
    )


def _milliseconds(call: Callable[[], object]) -> float:
    from torch.utils.benchmark import Timer

    timer = Timer("call()", globals={"call": call})
    once = timer.timeit(1).median  # the first call compiles kernels and allocates
    if once < LONGEST:
        return 1e3 * float(timer.blocked_autorange(min_run_time=0.2).median)
    return 1e3 * float(timer.timeit(1).median)


def _path(cut: Any, conv: Any) -> str:
    """What torch chooses for this convolution, by its own selection."""
    import torch

    select = getattr(torch._C, "_select_conv_backend", None)  # private, torch 1.12 to 2.14
    if select is None:
        return "not known for this torch"
    arguments = (cut, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation)
    name = str(select(*arguments, False, conv.padding, conv.groups)).rpartition(".")[2]
    return f"{name} (the slow generic path)" if name.startswith("Slow") else name
