"""What the extension adds to constructing and loading a vision tower.

    python -m benchmarks.load

Builds the tower of a released model, loads a checkpoint of it with random weights, and does the
same with its projection replaced before and verified after, each in a process of its own, by turns.
Runs on a GPU if there is one; needs 4 GB of memory there or without.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from rich.progress import Progress
from rich.table import Table

from benchmarks import device as devices
from benchmarks.command import parser, recording
from benchmarks.providers import CONV, OURS
from benchmarks.record import Row
from benchmarks.timing import Times
from benchmarks.towers import DTYPE, ON_ITS_OWN, TOWERS, build, empty
from engine_ext import linearize, verify

WHAT = "load"
ARMS = (OURS, CONV)


def main() -> None:
    options_of = parser(__doc__, devices=("cpu", "cuda"))
    add = options_of.add_argument
    add("--towers", nargs="+", choices=tuple(TOWERS), default=ON_ITS_OWN)
    add("--runs", type=int, default=5, help="of each arm (default 5)")
    add("--one", nargs=3, metavar=("TOWER", "ARM", "CHECKPOINT"), help="one run, in this process")
    options = options_of.parse_args()
    if options.one:
        print(json.dumps(load(*options.one, options.device)))
        return
    with recording(table, WHAT, options.results) as rows, Progress(transient=True) as progress:
        bar = progress.add_task(WHAT, total=len(options.towers) * options.runs * len(ARMS))
        for tower in options.towers:
            runs: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
            for arm, found in by_turns(tower, options.runs, options.device):
                runs[arm].append(found)
                progress.update(bar, advance=1, description=f"{tower}, {arm}")
            rows += compared(tower, options.device, runs)


def by_turns(tower: str, runs: int, device: str) -> Iterator[tuple[str, dict[str, float]]]:
    """Each run of each arm, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "weights.pt"
        torch.save(build(tower, "cpu", "sdpa").state_dict(), checkpoint)
        for _ in range(runs):
            for arm in ARMS:
                command = [sys.executable, "-m", "benchmarks.load", "--device", device]
                command += ["--one", tower, arm, str(checkpoint)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                yield arm, json.loads(done.stdout.splitlines()[-1])


def load(tower: str, arm: str, checkpoint: str, device: str) -> dict[str, float]:
    """Construct and load a tower in this process: milliseconds, peak memory, parameters."""
    # What a first convolution and a first product set up counts for neither arm.
    one = torch.ones(1, 1, 1, 1, 1, device=device)
    torch.nn.functional.conv3d(one, one)
    torch.nn.functional.linear(one, one[0, 0, 0])
    begun = time.perf_counter()
    model = empty(tower, device, "sdpa")
    replaced = linearize(model, check=False).replaced if arm == OURS else ()
    model.load_state_dict(torch.load(checkpoint, mmap=True, weights_only=True), strict=False)
    for finding in replaced:
        verify(model.get_submodule(finding.name), finding.name)
    if device == "cuda":
        torch.cuda.synchronize()
        peak = torch.cuda.max_memory_allocated() / 2**20
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    milliseconds = 1e3 * (time.perf_counter() - begun)
    return {"milliseconds": milliseconds, "peak_mib": peak, "parameters": _count(model)}


def _count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def compared(tower: str, device: str, runs: dict[str, list[dict[str, float]]]) -> Iterator[Row]:
    times = {arm: Times.of([run["milliseconds"] for run in found]) for arm, found in runs.items()}
    for arm, each in times.items():
        peak = Times.of([run["peak_mib"] for run in runs[arm]]).median
        count = int(runs[arm][0]["parameters"])
        yield Row(
            *(WHAT, arm, tower, count, DTYPE, devices.name(device)),
            *(each.median, each.low, each.high),
            reference=CONV,
            ratio=times[CONV].median / each.median,
            peak_mib=peak,
        )


def table(rows: Sequence[Row]) -> Table:
    drawn = Table(title=f"construct and load a vision tower, {DTYPE}, {rows[0].device}")
    for column in ("tower", "parameters", "", "ms", "20 %", "80 %", "peak MiB"):
        drawn.add_column(column, justify="right")
    for row in rows:
        times = (f"{value:.0f}" for value in (row.median, row.low, row.high))
        drawn.add_row(row.shape, f"{row.count:,}", row.provider, *times, f"{row.peak_mib or 0:.0f}")
    return drawn


if __name__ == "__main__":
    main()
