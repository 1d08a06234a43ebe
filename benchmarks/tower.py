"""The whole vision tower: where its time goes, with the convolution and without.

    python -m benchmarks.tower

The ladder by which transformers #45750 found the cause, in one run: how fast the device multiplies;
time against the number of clips; against the implementation of attention; component by component.
Towers have the sizes of released models and random weights. Runs on a GPU if there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from importlib.util import find_spec
from time import perf_counter
from typing import Any

import torch
from rich.console import Group
from rich.progress import Progress
from rich.table import Table
from torch import Tensor, nn

from benchmarks import device as devices
from benchmarks.command import parser, recording
from benchmarks.providers import CONV, CONV_CUDNN_OFF, OURS
from benchmarks.record import Row
from benchmarks.timing import SLOW, Times, interleaved, peak_mib
from benchmarks.towers import DTYPE, ON_ITS_OWN, TOWERS, build, clips, dissimilarity
from engine_ext import linearize

WHAT, COMPONENTS, HEALTH = "tower", "tower components", "matmul"
FRAMES = {"cuda": 8, "cpu": 2}
SIDES = {"cuda": 448, "cpu": 224}  # pixels; multiples of 28 and 32
CLIPS = {"cuda": (1, 2, 4, 8), "cpu": (1, 2)}


def main() -> None:
    options_of = parser(__doc__, seconds=10, devices=CLIPS)
    add = options_of.add_argument
    add("--towers", nargs="+", choices=tuple(TOWERS), default=ON_ITS_OWN)
    add("--clips", type=int, nargs="+", metavar="N", help="numbers of clips")
    options = options_of.parse_args()
    counts = options.clips or CLIPS[options.device]
    with (
        recording(tables, WHAT, options.results) as rows,
        Progress(transient=True) as progress,
        torch.inference_mode(),
    ):
        rows.append(_health(options.device))
        bar = progress.add_task(WHAT, total=None)
        for tower in options.towers:
            for attention in attentions(options.device):
                progress.update(bar, description=f"{tower}, {attention}")
                chosen = counts if attention == "sdpa" else counts[:1]
                rows += _tower(tower, attention, options.device, chosen, options.seconds)


def attentions(device: str) -> tuple[str, ...]:
    """What can be had here."""
    flash = device == "cuda" and find_spec("flash_attn") is not None
    return ("sdpa", "eager", *(["flash_attention_2"] if flash else []))


def _health(device: str) -> Row:
    """A large bf16 product: a device that is slow at it explains everything below."""
    found = devices.limits(device, torch.bfloat16)
    side = devices.SIDE[device]
    milliseconds = 1e3 * 2 * side**3 / found.operations
    shape, shown = f"{side}x{side}x{side}", devices.name(device)
    times = (milliseconds, milliseconds, milliseconds)
    return Row(HEALTH, "torch.mm", shape, side, DTYPE, shown, *times)


def _tower(
    tower: str, attention: str, device: str, counts: tuple[int, ...], seconds: float
) -> Iterator[Row]:
    stock = build(tower, device, attention)
    shared = {id(parameter): parameter for parameter in stock.parameters()}
    models = {CONV: stock, OURS: deepcopy(stock, shared)}
    linearize(models[OURS])
    like = next(models[OURS].parameters())
    for count in counts:
        given = clips(tower, count, FRAMES[device], SIDES[device], like)
        calls = {name: _call(model, *given) for name, model in models.items()}
        difference = dissimilarity(calls[CONV](), calls[OURS]())
        if device == "cuda" and tower == ON_ITS_OWN[0] and len(counts) > 1 and count == counts[0]:
            calls[CONV_CUDNN_OFF] = _without_cudnn(calls[CONV])
        times = interleaved(calls, seconds)
        shape = f"{tower}, {attention}, {count} clips of {FRAMES[device]} frames"
        common = (shape, len(given[0]), DTYPE, devices.name(device))
        for name, each in times.items():
            yield Row(
                *(WHAT, name, *common, each.median, each.low, each.high),
                reference=CONV,
                ratio=times[CONV].median / each.median,
                peak_mib=None if each.median > 1e3 * SLOW else peak_mib(calls[name]),
                difference=difference,
            )
        if attention == "sdpa":
            for name, model in models.items():
                for part, each in components(model, calls[name]).items():
                    shown = f"{name}: {part}"
                    yield Row(COMPONENTS, shown, *common, each.median, each.low, each.high)


def _call(model: nn.Module, patches: Tensor, grids: Tensor) -> Callable[[], Tensor]:
    def call() -> Tensor:
        found: Any = model(patches, grids)
        return found if isinstance(found, Tensor) else found[0]

    return call


def _without_cudnn(call: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """What torch 2.9 and 2.10 do in bfloat16 with the cuDNN that they pin."""

    def found() -> Tensor:
        with torch.backends.cudnn.flags(enabled=False):
            return call()

    return found


def components(model: nn.Module, call: Callable[[], object], rounds: int = 3) -> dict[str, Times]:
    """Milliseconds of the modules right below the tower in one call, blocks together."""
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        with _timed(model) as spent:
            call()
        for name, seconds in spent.items():
            found.setdefault(name, []).append(1e3 * seconds)
    return {name: Times.of(each) for name, each in found.items()}


@contextmanager
def _timed(model: nn.Module) -> Iterator[dict[str, float]]:
    """Seconds by name of a child; the members of a list count for the list."""
    spent: dict[str, float] = {}
    begun: dict[int, float] = {}
    handles = []

    def now() -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return perf_counter()

    def hook(name: str, module: nn.Module) -> None:
        def before(*_: object) -> None:
            begun[id(module)] = now()

        def after(*_: object) -> None:
            spent[name] = spent.get(name, 0) + now() - begun[id(module)]

        handles.append(module.register_forward_pre_hook(before))
        handles.append(module.register_forward_hook(after))

    for name, child in model.named_children():
        for module in child if isinstance(child, nn.ModuleList) else [child]:
            hook(name, module)
    try:
        yield spent
    finally:
        for handle in handles:
            handle.remove()


def tables(rows: list[Row]) -> Group:
    titles = {WHAT: "whole towers", COMPONENTS: "their components, sdpa"}
    kinds = {what: [row for row in rows if row.what == what] for what in titles}
    return Group(*(table(titles[what], kind) for what, kind in kinds.items() if kind))


def table(title: str, rows: list[Row]) -> Table:
    drawn = Table(title=f"{title}, {rows[0].device}")
    for column in ("tower", "patches", "", "ms", "20 %", "80 %", f"over {CONV}", "peak MiB"):
        drawn.add_column(column, justify="right")
    for row in rows:
        times = (f"{value:.1f}" for value in (row.median, row.low, row.high))
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
        peak = "" if row.peak_mib is None else f"{row.peak_mib:.0f}"
        drawn.add_row(row.shape, str(row.count), row.provider, *times, ratio, peak)
    return drawn


if __name__ == "__main__":
    main()
