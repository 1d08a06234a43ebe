"""What came of each run, a line of `results/ENGINE-VERSION.csv`."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evals.checkpoints import FAMILIES
from evals.gate_proof.faults import CHANGES_ANSWERS, NO_FAULT

RESULTS = Path(__file__).parent / "results"

Rows = Sequence[Mapping[str, str]]


def recorded(folder: Path = RESULTS) -> Rows:
    """Every line of every engine, by family."""
    found: list[Mapping[str, str]] = []
    for file in sorted(folder.glob("*.csv")):
        with file.open(newline="") as stream:
            found += csv.DictReader(stream)
    return sorted(found, key=lambda row: FAMILIES.index(row["family"]))


def record(folder: Path, row: Mapping[str, Any]) -> Path:
    """Put the line into its file, in place of an older one of the same run."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{row['engine']}-{row['version']}.csv"
    rows: list[Mapping[str, Any]] = []
    if file.exists():
        with file.open(newline="") as stream:
            same = {name: row[name] for name in ("family", "fault", "features", "dtype")}
            rows = [other for other in csv.DictReader(stream) if not same.items() <= other.items()]
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(row), lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, row])
    return file


def as_it_must_be(row: Mapping[str, Any]) -> bool:
    """The same answers pass; what changes answers fails by them, the rest by probabilities."""
    if row["fault"] == NO_FAULT:
        figures = [str(row[name]) for name in ("lost", "won", "identical")]
        return row["verdict"] == "PASS" and figures == ["0", "0", "1.0"]
    said = "answers worse" if row["fault"] in CHANGES_ANSWERS else "log-probabilities"
    return row["verdict"] == "FAIL" and said in row["reasons"]
