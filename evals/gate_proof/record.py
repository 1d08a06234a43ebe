"""What came of each run, a line of `results/ENGINE-VERSION.csv`."""

from __future__ import annotations

from pathlib import Path

from evals.checkpoints import FAMILIES
from evals.gate_proof.faults import CHANGES_ANSWERS, NO_FAULT
from evals.records import Row, read_all, replace

RESULTS = Path(__file__).parent / "results"
KEY = ("family", "fault", "features", "dtype")


def recorded(folder: Path = RESULTS) -> list[Row]:
    """Every line of every engine, by family."""
    return sorted(read_all(folder), key=lambda row: FAMILIES.index(row["family"]))


def record(folder: Path, row: Row) -> Path:
    """Put the line into its file, in place of an older one of the same run."""
    return replace(folder / f"{row['engine']}-{row['version']}.csv", [row], KEY)


def as_it_must_be(row: Row) -> bool:
    """The same answers pass; what changes answers fails by them, the rest by probabilities."""
    if row["fault"] == NO_FAULT:
        figures = [str(row[name]) for name in ("lost", "won", "identical")]
        return row["verdict"] == "PASS" and figures == ["0", "0", "1.0"]
    said = "answers worse" if row["fault"] in CHANGES_ANSWERS else "log-probabilities"
    return row["verdict"] == "FAIL" and said in row["reasons"]
