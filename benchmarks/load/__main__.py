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
import time
from pathlib import Path
from statistics import median

import torch
from rich.progress import track

from benchmarks.command import parser, recording_in_folder
from benchmarks.patch_embed.providers import CONV
from benchmarks.record import OURS, Row, compared
from benchmarks.tower.sizes import ON_ITS_OWN, TOWERS, build, empty
from engine_ext import linearize, verify

WHAT = "load"
ARMS = (OURS, CONV)
Loaded = dict[str, float]
"""Of one run: milliseconds, peak memory in MiB, and parameters."""


def main() -> None:
    options_of = parser(__doc__, devices=("cpu", "cuda"))
    add = options_of.add_argument
    add("--towers", nargs="+", choices=tuple(TOWERS), default=ON_ITS_OWN)
    add("--runs", type=int, default=5, help="with and without the extension (default 5)")
    add("--one", nargs=3, metavar=("TOWER", "ARM", "CHECKPOINT"), help="one run, in this process")
    options = options_of.parse_args()
    if options.one:
        print(json.dumps(load(*options.one, options.device)))
        return
    with recording_in_folder(WHAT, options.results) as (rows, folder):
        for tower in options.towers:
            checkpoint = folder / "weights.pt"
            torch.save(build(tower, "cpu", "sdpa").state_dict(), checkpoint)
            runs: dict[str, list[Loaded]] = {arm: [] for arm in ARMS}
            for _ in track(range(options.runs), tower, transient=True):
                for arm in ARMS:
                    runs[arm].append(in_a_process(tower, arm, checkpoint, options.device))
            rows += rows_of(tower, options.device, runs)


def in_a_process(tower: str, arm: str, checkpoint: Path, device: str) -> Loaded:
    command = [sys.executable, "-m", "benchmarks.load", "--device", device]
    command += ["--one", tower, arm, str(checkpoint)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: Loaded = json.loads(done.stdout.splitlines()[-1])
    return found


def load(tower: str, arm: str, checkpoint: str, device: str) -> Loaded:
    """Construct and load a tower in this process."""
    # What a first convolution and a first product set up counts for neither arm.
    one = torch.ones(1, 1, 1, 1, 1, device=device)
    torch.nn.functional.conv3d(one, one)
    torch.nn.functional.linear(one, one[0, 0, 0])
    empty(tower, "meta", "sdpa")  # imports what it is made of
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
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"milliseconds": milliseconds, "peak_mib": peak, "parameters": parameters}


def rows_of(tower: str, device: str, runs: dict[str, list[Loaded]]) -> list[Row]:
    return compared(
        {arm: [run["milliseconds"] for run in each] for arm, each in runs.items()},
        CONV,
        what=WHAT,
        model=tower,
        count=int(runs[OURS][0]["parameters"]),
        device=device,
        engine="",
        peak_mib={a: median(run["peak_mib"] for run in each) for a, each in runs.items()},
    )


if __name__ == "__main__":
    main()
