"""The whole vision tower: where its time goes, with the convolution and without.

    python -m benchmarks.tower

The ladder by which transformers #45750 found the cause, in one run: time against the number of
clips; against the implementation of attention; component by component. Towers have the sizes of
released models and random weights. Runs on a GPU if there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from importlib.util import find_spec
from time import perf_counter
from typing import Any

import torch
from rich.progress import track
from torch import Tensor, nn

from benchmarks.command import parser, recording
from benchmarks.patch_embed.providers import CONV, CONV_CUDNN_OFF, without_cudnn
from benchmarks.record import OURS, Row, compared
from benchmarks.timing import SLOW, Times, interleaved, peak_mib
from benchmarks.tower.sizes import ON_ITS_OWN, TOWERS, build, clips, dissimilarity
from engine_ext import linearize

WHAT = "tower"
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
    with recording(WHAT, options.results) as rows, torch.inference_mode():
        for tower in options.towers:
            for attention in track(attentions(options.device), tower, transient=True):
                chosen = counts if attention == "sdpa" else counts[:1]
                rows += measure(tower, attention, options.device, chosen, options.seconds)


def attentions(device: str) -> tuple[str, ...]:
    """What can be had here."""
    flash = device == "cuda" and find_spec("flash_attn") is not None
    return ("sdpa", "eager", *(["flash_attention_2"] if flash else []))


def measure(
    tower: str, attention: str, device: str, counts: tuple[int, ...], seconds: float
) -> Iterator[Row]:
    """Rows of the whole, and of its components where attention is `sdpa`."""
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
            calls[CONV_CUDNN_OFF] = without_cudnn(calls[CONV])
        times = interleaved(calls, seconds)
        common: dict[str, Any] = {
            "model": tower,
            "tower": attention,
            "device": device,
            "engine": "",
        }
        common |= {"shape": f"{count} clips of {FRAMES[device]} frames", "count": len(given[0])}
        quick = [name for name, each in times.items() if each.median <= 1e3 * SLOW]
        peaks = {name: peak_mib(calls[name]) for name in quick}
        yield from compared(times, CONV, what=WHAT, peak_mib=peaks, difference=difference, **common)
        if attention == "sdpa":
            parts = {name: components(model, calls[name]) for name, model in models.items()}
            for part in parts[CONV]:
                both = {name: found[part] for name, found in parts.items()}
                yield from compared(both, CONV, what=part, **common)


def _call(model: nn.Module, patches: Tensor, grids: Tensor) -> Callable[[], Tensor]:
    def call() -> Tensor:
        found: Any = model(patches, grids)
        return found if isinstance(found, Tensor) else found[0]

    return call


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


if __name__ == "__main__":
    main()
