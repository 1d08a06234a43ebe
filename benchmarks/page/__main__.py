"""The tables of docs/benchmarks.md, drawn from what the benchmarks recorded.

python -m benchmarks.page    # rewrites them
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.gpu.summary import summary
from benchmarks.page.tables import TABLES
from benchmarks.record import RESULTS, read
from evals import PROJECT
from evals.pages import with_drawn

PAGE = PROJECT / "docs" / "benchmarks.md"


def with_tables(text: str, folder: Path = RESULTS) -> str:
    """The page with its tables drawn anew."""
    drawn = {place: each.drawn(read(each.file, folder)) for place, each in TABLES.items()}
    gpus = dict.fromkeys(row["device"] for row in read("host_path", folder))
    return with_drawn(text, {**drawn, "gpu": summary(folder, gpus)})


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
