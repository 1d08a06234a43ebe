"""The tables of docs/benchmarks.md, drawn from what the benchmarks recorded."""

from __future__ import annotations

from pathlib import Path

from benchmarks.gpu.summary import summary
from benchmarks.page.tables import TABLES
from benchmarks.record import RESULTS, read


def drawn(folder: Path = RESULTS) -> dict[str, str]:
    """Each table by its name on the page."""
    gpus = dict.fromkeys(row["device"] for row in read("host_path", folder))
    tables = {place: each.drawn(read(each.file, folder)) for place, each in TABLES.items()}
    return {**tables, "gpu": summary(folder, gpus)}
