"""Results in a CSV file: a row of each key, where a later run replaces its own."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]


def read(file: Path) -> list[Row]:
    """The rows, in the order of the file; none where there is no file."""
    if not file.exists():
        return []
    with file.open(newline="") as rows:
        return list(csv.DictReader(rows))


def read_all(folder: Path) -> list[Row]:
    return [row for file in sorted(folder.glob("*.csv")) for row in read(file)]


def replace(file: Path, rows: Iterable[Row], key: Sequence[str]) -> Path:
    """Put rows into the file, each in place of the one that has the same ``key``."""
    kept = {tuple(row[name] for name in key): row for row in read(file)}
    kept |= {tuple(row[name] for name in key): row for row in rows}
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as output:
        writer = csv.DictWriter(output, list(next(iter(kept.values()))), lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept.values())
    return file
