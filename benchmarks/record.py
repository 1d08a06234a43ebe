"""One row of CSV for each point that was measured."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from benchmarks import device as devices
from benchmarks.timing import Times

RESULTS = Path(__file__).parent / "results"
BEGUN = datetime.now().isoformat(timespec="seconds")
"""When this run began, by which its rows are told from those of other runs."""
OFF, ON, OURS = "off", "on", "engine_ext"
"""Providers: an engine without the extension and with it; the implementation of this project."""
LESS_IS_BETTER = ("ms", "s", "B")


@dataclass(frozen=True)
class Row:
    """A point: what was measured, and how it compares with the reference in the same run.

    Args:
        what: was measured, of all that the benchmark measures.
        provider: the implementation.
        model: whose layer, tower or positions.
        tower: how the model's tower is built or run, where it may be so or so.
        shape: of what is computed: a projection, images, clips, a prompt.
        count: patches, tokens, requests at a time, or parameters.
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
    model: str
    tower: str
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


POINT = ("what", "model", "tower", "shape", "count", "dtype", "device", "unit", "engine")
"""The columns by which rows are of one point, and compare providers."""
Recorded = Mapping[str, str]
"""A row as it was read."""
Point = Mapping[str, Recorded]
"""What was measured of one point in one run, by provider."""


def compared(
    found: Mapping[str, Times | Sequence[float]],
    reference: str,
    *,
    what: str,
    model: str = "",
    tower: str = "",
    shape: str = "",
    count: int = 1,
    dtype: str = "bfloat16",
    device: str = "cpu",
    engine: str | None = None,
    **more: Any,
) -> list[Row]:
    """A row for each provider, its ratio over the reference where all have taken anything.

    Args:
        found: of each provider, times or single values.
        engine: that which is installed beside this Python, for None.
        more: further columns of all rows, or by provider where they are a mapping.
    """
    times = {name: one if isinstance(one, Times) else Times.of(one) for name, one in found.items()}
    has_ratio = reference in times and all(each.median for each in times.values())
    rows = []
    for provider, each in times.items():
        ratio = times[reference].median / each.median if has_ratio else None
        if ratio is not None and more.get("unit", "ms") not in LESS_IS_BETTER:
            ratio = 1 / ratio
        row = Row(
            *(what, provider, model, tower, shape, count, dtype, devices.name(device)),
            **vars(each),
            reference=reference,
            ratio=ratio,
            engine=devices.engine() if engine is None else engine,
            **{k: v.get(provider) if isinstance(v, Mapping) else v for k, v in more.items()},
        )
        rows.append(row)
    return rows


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


def read(name: str, folder: Path = RESULTS) -> list[Recorded]:
    """The rows of a file, of each point as it was measured last; none where there is no file."""
    file = folder / f"{name}.csv"
    if not file.exists():
        return []
    with file.open(newline="") as stream:
        return newest(csv.DictReader(stream))


def newest(rows: Iterable[Recorded]) -> list[Recorded]:
    """The rows of each point as it was measured last: points of one run can be compared."""
    points: dict[tuple[str, ...], list[Recorded]] = {}
    for row in rows:
        members = points.setdefault(tuple(row[name] for name in POINT), [])
        if members and members[0]["date"] < row["date"]:
            members.clear()
        if not members or members[0]["date"] == row["date"]:
            members.append(row)
    return [row for members in points.values() for row in members]


def points(rows: Iterable[Recorded]) -> list[Point]:
    """Rows that can be compared, together."""
    found: dict[tuple[str, ...], dict[str, Recorded]] = {}
    for row in rows:
        names = (*POINT, "date")
        found.setdefault(tuple(row[name] for name in names), {})[row["provider"]] = row
    return list(found.values())


def three_digits(value: float) -> str:
    """A number as tables show it."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _written(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else value
