"""Whether images are resized by whole numbers as torch resizes them on a CPU, over many sizes.

    python -m evals.resized
    ATEN_CPU_CAPABILITY=default python -m evals.resized
    TRITON_INTERPRET=1 python -m evals.resized --way triton --largest 200 --count 300

Sizes are drawn from 1 to the largest, evenly in their logarithm, up and down, to ratios of 200.
What is made has two pixels a side at least: of one pixel's width torch's own function gives other
bytes on another CPU, or an error. One byte that differs ends it.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections.abc import Iterator
from importlib import import_module

import torch
from rich.progress import track

from engine_ext.pixels.resize.resized import on_cpu, resized_by

RATIO = 200

Size = tuple[int, int]


def sizes(count: int, largest: int, seed: int = 0) -> Iterator[tuple[Size, Size]]:
    """Sizes of images and of what is made of them, (height, width)."""
    chance = random.Random(seed)

    def size(least: int) -> Size:
        height, width = (
            round(math.exp(chance.uniform(math.log(least), math.log(largest)))) for _ in range(2)
        )
        return height, min(max(width, math.ceil(height / RATIO)), height * RATIO)

    for _ in range(count):
        yield size(1), size(2)


def differing(way: str, size: Size, made: Size, device: str) -> int:
    """Bytes of a picture of noise that come out otherwise than on a CPU."""
    rows = import_module(f"engine_ext.pixels.resize.by_{way}").resize_rows
    image = torch.randint(0, 256, (*size, 3), dtype=torch.uint8)
    found = resized_by(rows, image.to(device), *made).cpu()
    return int((found != on_cpu(image, *made)).sum())


def main() -> int:
    options_of = argparse.ArgumentParser(
        prog="python -m evals.resized",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = options_of.add_argument
    add("--way", choices=("torch", "triton"), default="torch")
    add("--count", type=int, default=5000, help="pairs of sizes (default 5000)")
    add("--largest", type=int, default=4000, help="pixels of a side (default 4000)")
    add("--device", default="cpu", help="where ours runs (default cpu)")
    add("--seed", type=int, default=0)
    options = options_of.parse_args()
    torch.manual_seed(options.seed)
    pairs = sizes(options.count, options.largest, options.seed)
    for size, made in track(pairs, "sizes", options.count, transient=True):
        if wrong := differing(options.way, size, made, options.device):
            print(f"{wrong} bytes differ from {size} to {made}")
            return 1
    capability = torch.backends.cpu.get_cpu_capability()
    print(
        f"{options.count} pairs of sizes, by {options.way}: no byte differs (torch: {capability})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
