"""From the processor's output on the host to rows on the device: floats, and uint8 restored there.

    python -m benchmarks.gpu.host_path

Stock sends the processor's float32 rows and casts them on the device; compact rows are a quarter
of their bytes for each frame of the patch, and are restored there. Both end in the same bfloat16
rows, which is looked at first. `pinned` means that the host's memory was pinned before: engines
copy from ordinary memory unless they are told to do otherwise. Runs on a GPU if there is one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from rich.progress import track
from torch import Tensor

from benchmarks.command import parser, recording
from benchmarks.record import compared
from benchmarks.timing import interleaved
from engine_ext.pixels import PixelValues, restore

WHAT = "host_path"
STOCK, COMPACT = "float32 rows", "compact rows"
PINNED, ALONE = ", pinned", "restoring alone"
CHANNELS, FRAMES, SIDE = 3, 2, 14
AREA = SIDE * SIDE
WIDTH = CHANNELS * FRAMES * AREA
IMAGES = {"448x448": 32 * 32, "1920x1080": 138 * 78, "3840x2160": 274 * 154}
"""Patches of an image, P = 14."""
COUNTS = {"cuda": (1, 16), "cpu": (1,)}
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


class Differs(ArithmeticError):
    """Restored rows are not those that stock has on the device."""


def main() -> None:
    options_of = parser(__doc__, seconds=1, devices=COUNTS)
    add = options_of.add_argument
    add("--images", nargs="+", choices=tuple(IMAGES), default=list(IMAGES))
    options = options_of.parse_args()
    here, there = values(), values().to(options.device)
    with recording(WHAT, options.results) as rows, torch.inference_mode():
        for image in track(options.images, WHAT, transient=True):
            for count in COUNTS[options.device]:
                patches = count * IMAGES[image]
                pixels = torch.randint(256, (patches, CHANNELS, AREA), dtype=torch.uint8)
                calls = ways(pixels, restore(pixels, here, WIDTH), there, options.device)
                rows += compared(
                    interleaved(calls, options.seconds, rounds=5),
                    STOCK,
                    what=WHAT,
                    shape=f"{count} x {image}",
                    count=patches,
                    device=options.device,
                    engine="",
                )


def values() -> PixelValues:
    """Of Qwen2.5-VL's processor: CLIP's mean and deviation, as transformers fuses them."""
    mean, std = (torch.tensor(each)[:, None] * 255.0 for each in (MEAN, STD))
    levels = torch.arange(256, dtype=torch.float32).expand(CHANNELS, -1)
    return PixelValues((levels - mean) / std, (mean, std))


def ways(
    pixels: Tensor, rows: Tensor, there: PixelValues, device: str
) -> dict[str, Callable[[], Tensor]]:
    """Each from the host to (N, C*T*P*P) rows on the device, in bfloat16.

    Raises:
        Differs: they do not end in the same rows.
    """

    def stock(rows: Tensor) -> Callable[[], Tensor]:
        return lambda: rows.to(device, non_blocking=True).to(torch.bfloat16)

    def ours(pixels: Tensor) -> Callable[[], Tensor]:
        return lambda: restore(pixels.to(device, non_blocking=True), there, WIDTH, torch.bfloat16)

    found = {STOCK: stock(rows), COMPACT: ours(pixels)}
    if device == "cuda":
        found[STOCK + PINNED] = stock(rows.pin_memory())
        found[COMPACT + PINNED] = ours(pixels.pin_memory())
    found[ALONE] = ours(pixels.to(device))
    expected = found[STOCK]()
    for name, call in found.items():
        if not torch.equal(call(), expected):
            raise Differs(f"{name}: other rows than {STOCK} has")
    return found


if __name__ == "__main__":
    main()
