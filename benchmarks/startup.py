"""How long an engine takes to start, with the extension and without.

``python -m benchmarks.startup --engine sglang`` starts the stock command over a tiny checkpoint,
the two arms by turns, and waits until the server answers ``/health``. Without the extension means
without any plugin. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from engine_ext.installed import installed_version
from evals import checkpoints
from evals.serving.engines import ENGINES, Engine
from evals.serving.servers import cpu_server

RESULTS = Path(__file__).parent / "results" / "startup.csv"
COLUMNS = ("date", "engine", "version", "family", "extension", "run", "seconds")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--engine", choices=ENGINES, default="sglang")
    parser.add_argument("--family", choices=checkpoints.FAMILIES, default="qwen3_vl")
    parser.add_argument("--runs", type=int, default=5, help="of each arm (default 5)")
    parser.add_argument("--csv", type=Path, default=RESULTS, help="file to append to")
    options = parser.parse_args()
    engine = ENGINES[options.engine]
    arms = {"on": {"ENGINE_EXT": "linear"}, "off": engine.without_plugins}
    seconds: dict[str, list[float]] = {arm: [] for arm in arms}
    # The first start reads files that later ones find in memory: it counts for neither arm.
    _start(engine, options.family, arms["off"])
    for _ in track(range(options.runs), "starts of each arm"):
        for arm, environ in arms.items():
            seconds[arm].append(_start(engine, options.family, environ))
    _append(options.csv, options, seconds)
    Console().print(_table(engine, seconds))


def _start(engine: Engine, family: str, environ: dict[str, str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        log = Path(folder) / "log"
        with cpu_server(engine, checkpoints.path(family), log, environ=environ):
            return time.monotonic() - begun


def _append(file: Path, options: argparse.Namespace, seconds: dict[str, list[float]]) -> None:
    is_new = not file.exists()
    common = date.today(), options.engine, installed_version(options.engine), options.family
    with file.open("a", newline="") as output:
        writer = csv.writer(output)
        if is_new:
            writer.writerow(COLUMNS)
        for arm, values in seconds.items():
            for run, value in enumerate(values, start=1):
                writer.writerow([*common, arm, run, f"{value:.2f}"])


def _table(engine: Engine, seconds: dict[str, list[float]]) -> Table:
    medians = {arm: statistics.median(values) for arm, values in seconds.items()}
    table = Table(title=f"seconds from the command to /health: {engine.shown}")
    for column in ("extension", "median", "least", "most", "ratio to off"):
        table.add_column(column, justify="right")
    for arm, values in seconds.items():
        ratio = f"{medians[arm] / medians['off']:.3f}"
        table.add_row(arm, *(f"{v:.2f}" for v in (medians[arm], min(values), max(values))), ratio)
    return table


if __name__ == "__main__":
    main()
