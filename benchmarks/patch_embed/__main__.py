"""The layer alone: what a patch projection costs, by every implementation there is.

    python -m benchmarks.patch_embed

Shapes of released models, and as many patches as an image has: a floor is measured in the same
run. Runs on a GPU if there is one. An engine's own layer takes part in the engine's environment.
Every implementation is compared with float64 first; one that differs ends the run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

import torch
from rich.progress import track
from torch import Tensor, nn

from benchmarks import device as devices
from benchmarks.command import parser, recording
from benchmarks.patch_embed.providers import (
    CONV,
    TOLERANCES,
    convolution,
    difference,
    providers,
)
from benchmarks.patch_embed.shapes import SHAPES, Shape
from benchmarks.record import Row, compared
from benchmarks.timing import SLOW, interleaved, peak_mib

WHAT = "patch_embed"
COUNTS = {"cpu": (64, 1024, 6080), "cuda": (64, 1024, 6080, 16384, 65536)}
DTYPES = {"cpu": ("bfloat16", "float32"), "cuda": ("bfloat16", "float16", "float32")}
LONGEST = 6.0
"""Seconds of one call: an implementation that would take more is not asked for so many patches."""


def main() -> None:
    options_of = parser(__doc__, seconds=12, devices=COUNTS)
    add = options_of.add_argument
    add("--counts", type=int, nargs="+", metavar="N", help="patches")
    add("--dtypes", nargs="+", choices=tuple(TOLERANCES))
    options = options_of.parse_args()
    device = options.device
    # All in full float32: torch would convolve in TF32 and multiply without it.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    with recording(WHAT, options.results) as rows, torch.inference_mode():
        for dtype in options.dtypes or DTYPES[device]:
            limits = devices.limits(device, getattr(torch, dtype))
            for shape in track(SHAPES, dtype, transient=True):
                conv = convolution(shape, device, getattr(torch, dtype))
                taken: dict[str, float] = {}  # seconds a patch, by implementation
                for count in options.counts or COUNTS[device]:
                    too_slow = {name for name, each in taken.items() if each * count > LONGEST}
                    found = measure(shape, conv, count, options.seconds, limits, too_slow)
                    taken |= {row.provider: row.median / 1e3 / count for row in found}
                    rows += found


def measure(
    shape: Shape,
    conv: nn.Conv3d,
    count: int,
    seconds: float,
    limits: devices.Limits,
    without: Collection[str],
) -> list[Row]:
    """A row for each implementation."""
    weight = conv.weight
    patches = torch.randn(count, shape.columns, device=weight.device, dtype=weight.dtype)
    layers = {name: each for name, each in providers(shape, conv) if name not in without}
    differences = {name: difference(name, layer, conv, patches) for name, layer in layers.items()}
    calls: dict[str, Callable[[], Tensor]]
    calls = {name: partial(layer, patches) for name, layer in layers.items()}
    times = interleaved(calls, seconds)
    moved = count * (shape.columns + shape.width) + shape.columns * shape.width
    quick = [name for name, each in times.items() if each.median <= 1e3 * SLOW]
    return compared(
        times,
        CONV,
        what=WHAT,
        model=shape.models,
        shape=shape.shown,
        count=count,
        dtype=str(weight.dtype).removeprefix("torch."),
        device=weight.device.type,
        peak_mib={name: peak_mib(calls[name]) for name in quick},
        difference=differences,
        floor=limits.floor(2 * count * shape.columns * shape.width, weight.element_size() * moved),
    )


if __name__ == "__main__":
    main()
