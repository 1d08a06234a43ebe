"""Rope positions of one prompt: ours, and those of whoever else is installed.

    python -m benchmarks.mrope

One thread, one prompt, on a CPU. SGLang's functions take part in its environment, vLLM's in its
own, lmms-engine's and transformers' in `core`. Every result is compared with ours first; one that
differs is marked, and is not of another kind of arithmetic but of another definition.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from rich.progress import track

from benchmarks.command import parser, recording
from benchmarks.mrope.peers import WRITE, ours, peers
from benchmarks.mrope.prompts import CASES, Prompt
from benchmarks.record import OURS, Row, compared
from benchmarks.timing import interleaved

WHAT = "mrope"


def main() -> None:
    options_of = parser(__doc__, seconds=3)
    add = options_of.add_argument
    add("--cases", nargs="+", choices=tuple(CASES), default=list(CASES), metavar="CASE")
    options = options_of.parse_args()
    torch.set_num_threads(1)
    with recording(WHAT, options.results) as rows:
        for name in track(options.cases, WHAT, transient=True):
            for prompt in CASES[name]():
                rows += measure(prompt, options.seconds)


def measure(prompt: Prompt, seconds: float) -> list[Row]:
    expected = ours(prompt)
    calls: dict[str, Callable[[], object]] = {OURS: lambda: ours(prompt)}
    calls[WRITE] = lambda: np.full(expected.shape, 1)
    differs = {OURS: 0.0}
    for name, call in peers(prompt):
        found = np.asarray(call()).reshape(3, -1)
        differs[name] = float(not np.array_equal(found, expected))
        calls[name] = call
    return compared(
        interleaved(calls, seconds),
        OURS,
        what=WHAT,
        model=prompt.family,
        shape=prompt.title,
        count=len(prompt.ids),
        dtype="int64",
        difference=differs,
    )


if __name__ == "__main__":
    main()
