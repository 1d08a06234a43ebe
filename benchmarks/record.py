"""One row of CSV for each point that was measured."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from pathlib import Path

import torch

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """A point: what was timed, and how it compares with the reference in the same run.

    Args:
        what: the benchmark.
        provider: the implementation.
        shape: of the layer, tower or request.
        count: patches, tokens or requests.
        median, low, high: milliseconds, the latter two the 20 % and 80 % quantiles.
        reference: the provider that ``ratio`` is over.
        ratio: of the reference's median to this one's: above 1 is faster than the reference.
        peak_mib: of memory on top of what was held before; None where it was not measured.
        difference: from the right result, relative, in float64.
        floor: milliseconds that no implementation can undercut; None where none is known.
        engine: and its version, where one took part.
    """

    what: str
    provider: str
    shape: str
    count: int
    dtype: str
    device: str
    median: float
    low: float
    high: float
    reference: str = ""
    ratio: float | None = None
    peak_mib: float | None = None
    difference: float | None = None
    floor: float | None = None
    engine: str = ""
    torch: str = field(default_factory=lambda: torch.__version__)
    cudnn: str = field(default_factory=lambda: str(cudnn() or ""))
    date: str = field(default_factory=lambda: date.today().isoformat())


def cudnn() -> int | None:
    """cuDNN's number, None without CUDA."""
    return torch.backends.cudnn.version() if torch.version.cuda else None


def append(rows: Iterable[Row], name: str, folder: Path = RESULTS) -> Path:
    """Add rows to a file of ``folder``, which gets its header line with the first."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.csv"
    is_new = not file.exists()
    with file.open("a", newline="") as output:
        writer = csv.writer(output, lineterminator="\n")
        if is_new:
            writer.writerow([one.name for one in fields(Row)])
        for row in rows:
            writer.writerow([_written(value) for value in asdict(row).values()])
    return file


def read(file: Path) -> list[dict[str, str]]:
    """Every row, as text."""
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def _written(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else value
