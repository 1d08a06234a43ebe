"""The layer alone: what a patch projection costs, by every implementation there is.

    python -m benchmarks.patch_embed

Shapes of released models, and as many patches as an image has: a floor is measured in the same
run. Runs on a GPU if there is one. An engine's own layer takes part in the engine's environment.
Every implementation is compared with float64 first; one that differs ends the run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import torch
import torch.nn.functional as F
from rich.progress import Progress
from rich.table import Table
from torch import Tensor, nn

from benchmarks import device as devices
from benchmarks.command import parser, recording
from benchmarks.providers import CONV, LINEAR, OURS, Layer, convolution, providers
from benchmarks.record import Row
from benchmarks.shapes import SHAPES, Shape
from benchmarks.timing import SLOW, interleaved, peak_mib

WHAT = "patch_embed"
COUNTS = {"cpu": (64, 1024, 6080), "cuda": (64, 1024, 6080, 16384, 65536)}
DTYPES = {"cpu": ("bfloat16", "float32"), "cuda": ("bfloat16", "float16", "float32")}
TOLERANCES = {"float32": 1e-5, "float16": 4e-3, "bfloat16": 2e-2}
"""Of the largest difference over the largest value: the rounding of one output, and TF32 off."""
COMPARED = 256  # patches compared with float64
LONGEST = 6.0
"""Seconds of one call: an implementation that would take more is not asked for so many patches."""


class Differs(ArithmeticError):
    """An implementation does not compute the projection."""


def main() -> None:
    options_of = parser(__doc__, seconds=12, devices=COUNTS)
    add = options_of.add_argument
    add("--counts", type=int, nargs="+", metavar="N", help="patches")
    add("--dtypes", nargs="+", choices=tuple(TOLERANCES))
    options = options_of.parse_args()
    counts = options.counts or COUNTS[options.device]
    dtypes = options.dtypes or DTYPES[options.device]
    # All in full float32: torch would convolve in TF32 and multiply without it.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    with recording(table, WHAT, options.results) as rows:
        rows += measure(options.device, counts, dtypes, options.seconds)


def measure(
    device: str, counts: Sequence[int], dtypes: Sequence[str], seconds: float
) -> Iterator[Row]:
    """A row for each shape, dtype, count and implementation."""
    with Progress(transient=True) as progress, torch.inference_mode():
        bar = progress.add_task(WHAT, total=len(dtypes) * len(SHAPES) * len(counts))
        for dtype in dtypes:
            limits = devices.limits(device, getattr(torch, dtype))
            for shape in SHAPES:
                conv = convolution(shape, device, getattr(torch, dtype))
                taken: dict[str, float] = {}  # seconds a patch, by implementation
                for count in counts:
                    progress.update(bar, description=f"{dtype}, {shape.shown}, {count} patches")
                    too_slow = {name for name, each in taken.items() if each * count > LONGEST}
                    rows = _point(shape, conv, count, dtype, device, seconds, limits, too_slow)
                    taken |= {row.provider: row.median / 1e3 / count for row in rows}
                    yield from rows
                    progress.advance(bar)


def _point(
    shape: Shape,
    conv: nn.Conv3d,
    count: int,
    dtype: str,
    device: str,
    seconds: float,
    limits: devices.Limits,
    without: Collection[str] = (),
) -> list[Row]:
    patches = torch.randn(count, shape.columns, device=device, dtype=conv.weight.dtype)
    layers = {name: each for name, each in providers(shape, conv) if name not in without}
    differences = {name: _difference(name, layer, conv, patches) for name, layer in layers.items()}
    times = interleaved({name: _call(layer, patches) for name, layer in layers.items()}, seconds)
    size = conv.weight.element_size()
    moved = size * (count * (shape.columns + shape.width) + shape.columns * shape.width)
    floor = limits.floor(2 * count * shape.columns * shape.width, moved)
    return [
        Row(
            *(WHAT, name, shape.shown, count, dtype, devices.name(device)),
            *(each.median, each.low, each.high),
            reference=CONV,
            ratio=times[CONV].median / each.median,
            peak_mib=None if each.median > 1e3 * SLOW else peak_mib(_call(layers[name], patches)),
            difference=differences[name],
            floor=floor,
            engine=devices.engine(),
        )
        for name, each in times.items()
    ]


def _call(layer: Layer, patches: Tensor) -> Layer:
    return lambda *_: layer(patches)


def _difference(name: str, layer: Layer, conv: nn.Conv3d, patches: Tensor) -> float:
    """The largest difference from float64, over the largest value, of some patches.

    Raises:
        Differs: more than rounding.
    """
    chosen = patches[:COMPARED]
    flat = conv.weight.flatten(1).double()
    right = F.linear(chosen.double(), flat, None if conv.bias is None else conv.bias.double())
    found = float((layer(chosen).double() - right).abs().max() / right.abs().max())
    tolerance = TOLERANCES[str(conv.weight.dtype).removeprefix("torch.")]
    if not found <= tolerance:
        raise Differs(f"{name} differs from float64 by {found:.2g}, expected at most {tolerance}")
    return found


def table(rows: Sequence[Row]) -> Table:
    """A line for each point: the convolution, every other implementation against it."""
    points: dict[tuple[str, str, int], dict[str, Row]] = {}
    for row in rows:
        points.setdefault((row.dtype, row.shape, row.count), {})[row.provider] = row
    names = list(dict.fromkeys(row.provider for row in rows if row.provider != CONV))
    drawn = Table(title=f"{rows[0].device}: ms of {CONV}, and how many times as fast others are")
    for column in ("dtype", "projection", "patches", CONV, *names, "floor", f"ours, of {LINEAR}"):
        drawn.add_column(column, justify="right")
    for (dtype, shape, count), found in points.items():
        ours, conv = found[OURS], found[CONV]
        ratios = [f"{found[name].ratio:.3g}x" if name in found else "" for name in names]
        floor = f"{conv.median / (ours.floor or conv.median):.2f}x"
        share = f"{ours.low / found[LINEAR].low:.3f}"
        drawn.add_row(dtype, shape, str(count), f"{conv.median:.3g}", *ratios, floor, share)
    return drawn


if __name__ == "__main__":
    main()
