"""One row of CSV for each point that was measured."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from benchmarks.timing import Times

RESULTS = Path(__file__).parent / "results"
BEGUN = datetime.now().isoformat(timespec="seconds")
"""When this run began, by which its rows are told from those of other runs."""


@dataclass(frozen=True)
class Row:
    """A point: what was timed, and how it compares with the reference in the same run.

    Args:
        what: the benchmark.
        provider: the implementation.
        shape: of the layer, tower or request.
        count: patches, tokens, requests or parameters.
        median, low, high: in ``unit``, the latter two the 20 % and 80 % quantiles.
        reference: the provider that ``ratio`` is over.
        ratio: above 1 is better than the reference: faster, or more in a second.
        peak_mib: of memory on top of what was held before; None where it was not measured.
        difference: from the right result, relative, in float64.
        floor: milliseconds that no implementation can undercut; None where none is known.
        engine: and its version, where one took part.
        date: and time at which the run began.
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
    unit: str = "ms"
    engine: str = ""
    torch: str = field(default_factory=lambda: torch.__version__)
    cudnn: str = field(default_factory=lambda: str(cudnn() or ""))
    date: str = BEGUN


POINT = ("what", "shape", "count", "dtype", "device", "unit", "engine")
"""The columns by which rows are of one point, and compare providers."""


def compared(times: Mapping[str, Times], reference: str, **fields: Any) -> list[Row]:
    """A row for each provider, its ratio over the reference; ``fields`` are those of all rows."""
    is_less_better = fields.get("unit", "ms") in ("ms", "B")
    of_reference = times[reference].median
    return [
        Row(
            provider=provider,
            **vars(each),
            reference=reference,
            ratio=of_reference / each.median if is_less_better else each.median / of_reference,
            **fields,
        )
        for provider, each in times.items()
    ]


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


def newest(rows: Iterable[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """The rows of each point as it was measured last: points of one run can be compared."""
    points: dict[tuple[str, ...], list[Mapping[str, str]]] = {}
    for row in rows:
        members = points.setdefault(tuple(row[name] for name in POINT), [])
        if members and members[0]["date"] < row["date"]:
            members.clear()
        if not members or members[0]["date"] == row["date"]:
            members.append(row)
    return [row for members in points.values() for row in members]


def _written(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else value
