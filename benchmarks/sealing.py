"""What the extension adds to constructing and loading a vision tower of real size.

``python -m benchmarks.sealing`` builds the tower of a released model with random weights, loads a
checkpoint of it, and does the same with its projection replaced, verified and kept, each in a
process of its own, by turns. Needs transformers (``.envs/core/bin/python``) and 4 GB of memory;
runs on a CPU.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.towers import TOWERS, config

RESULTS = Path(__file__).parent / "results" / "sealing.csv"
COLUMNS = ("tower", "extension", "run", "seconds", "peak_mib")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="of each arm (default 5)")
    parser.add_argument("--csv", type=Path, default=RESULTS, help="file to write")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(*options.one)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for tower in TOWERS:
            checkpoint = str(Path(folder) / f"{tower}.pt")
            _run(tower, "save", checkpoint)
            for number in track(range(1, options.runs + 1), tower):
                for arm in ("on", "off"):
                    found = _run(tower, arm, checkpoint)
                    rows.append((tower, arm, number, found["seconds"], found["peak_mib"]))
            Path(checkpoint).unlink()
    with options.csv.open("w", newline="") as output:
        writer = csv.writer(output)
        writer.writerow(COLUMNS)
        writer.writerows((*row[:3], f"{row[3]:.3f}", f"{row[4]:.1f}") for row in rows)
    Console().print(_table(rows))


def measure(tower: str, arm: str, checkpoint: str) -> dict[str, float]:
    """Construct and load one tower in this process: seconds and peak memory."""
    import torch
    from transformers import AutoModel

    from engine_ext.served import Identity, ServedModel

    torch.manual_seed(0)
    built = config(tower)
    torch.nn.functional.conv3d(torch.zeros(1, 3, 2, 4, 4), torch.zeros(1, 3, 2, 4, 4))  # warm
    begun = time.monotonic()
    with torch.device("meta"):
        model = AutoModel.from_config(built, dtype=torch.bfloat16)
    model.to_empty(device="cpu")
    served = None
    if arm == "on":
        identity = Identity("none", "", tower, ("linear",))
        served = ServedModel(model, (torch.nn.Conv3d,), identity, logging.getLogger("sealing"))
    if arm == "save":
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.02)
        torch.save(model.state_dict(), checkpoint)
    else:
        weights = torch.load(checkpoint, mmap=True, weights_only=True)
        if served is not None:
            weights = dict(served.delivering(weights.items()))
        model.load_state_dict(weights, strict=False)
    if served is not None:
        served.seal_the_rest(model)
        assert served.names
    seconds = time.monotonic() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "peak_mib": peak}


def _run(*arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.sealing", "--one", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _table(rows: list[Any]) -> Table:
    table = Table(title="construct and load a vision tower, bf16: medians")
    for column in ("tower", "seconds off", "on", "more", "peak MiB off", "on", "more"):
        table.add_column(column, justify="right")
    for tower in TOWERS:
        cells = [tower]
        for column, digits in ((3, 3), (4, 1)):
            off, on = (
                statistics.median(row[column] for row in rows if row[:2] == (tower, arm))
                for arm in ("off", "on")
            )
            cells += [f"{value:.{digits}f}" for value in (off, on, on - off)]
        table.add_row(*cells)
    return table


if __name__ == "__main__":
    main()
