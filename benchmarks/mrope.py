"""Rope positions of one prompt: ours, and those of whoever else is installed.

    python -m benchmarks.mrope

One thread, one prompt, on a CPU. SGLang's functions take part in its environment, vLLM's in its
own, lmms-engine's and transformers' in `core`. Every result is compared with ours first; one that
differs is marked, and is not of another kind of arithmetic but of another definition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from rich.progress import track
from rich.table import Table

from benchmarks import device as devices
from benchmarks.command import parser, recording
from benchmarks.mrope_peers import peers
from benchmarks.mrope_prompts import CASES, Prompt
from benchmarks.providers import OURS
from benchmarks.record import Row
from benchmarks.rope_tables import WRITE
from benchmarks.timing import interleaved
from engine_ext.mrope import families, rope_index

WHAT = "mrope"


def main() -> None:
    options_of = parser(__doc__, seconds=3)
    add = options_of.add_argument
    add("--cases", nargs="+", choices=tuple(CASES), default=list(CASES), metavar="CASE")
    options = options_of.parse_args()
    torch.set_num_threads(1)
    with recording(table, WHAT, options.results) as rows:
        for name in track(options.cases, WHAT, transient=True):
            for prompt in CASES[name]():
                rows += measure(prompt, options.seconds)


def ours(prompt: Prompt) -> np.ndarray:
    """The positions (3, S)."""
    grids = prompt.images, prompt.videos, prompt.merge_size
    find = getattr(families, prompt.family)
    extra = (prompt.seconds, prompt.per_second) if prompt.family == "qwen2_5_vl" else ()
    return rope_index(len(prompt.ids), find(prompt.ids, prompt.tokens, *grids, *extra))[0]


def measure(prompt: Prompt, seconds: float) -> Iterator[Row]:
    expected = ours(prompt)
    calls: dict[str, Callable[[], object]] = {OURS: lambda: ours(prompt)}
    calls[WRITE] = lambda: np.full(expected.shape, 1)
    differ = set()
    for name, call in peers(prompt):
        found = np.asarray(call()).reshape(3, -1)
        differ |= set() if np.array_equal(found, expected) else {name}
        calls[name] = call
    times = interleaved(calls, seconds)
    for name, each in times.items():
        yield Row(
            *(WHAT, name, f"{prompt.family}, {prompt.title}", len(prompt.ids), "int64"),
            *(devices.name("cpu"), each.median, each.low, each.high),
            reference=OURS,
            ratio=times[OURS].median / each.median,
            difference=None if name == WRITE else float(name in differ),
            engine=devices.engine(),
        )


def table(rows: list[Row]) -> Table:
    drawn = Table(title=f"milliseconds of one prompt, one thread, {rows[0].device}")
    columns = ("prompt", "tokens", "", "ms", "20 %", "80 %", "times ours", "equal to ours")
    for column in columns:
        drawn.add_column(column, justify="right")
    for row in rows:
        times = (f"{value:.3f}" for value in (row.median, row.low, row.high))
        equal = {None: "", 0.0: "yes", 1.0: "no"}[row.difference]
        more = f"{1 / row.ratio:.1f}" if row.ratio else ""
        style = "bold" if row.provider == OURS else ""
        drawn.add_row(row.shape, str(row.count), row.provider, *times, more, equal, style=style)
    return drawn


if __name__ == "__main__":
    main()
