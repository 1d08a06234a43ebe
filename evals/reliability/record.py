"""Keep what tests show of an engine: one row for each statement of a table.

A test states what it shows by ``@pytest.mark.shows(table, row)``; ``{name}`` in the row stands for
an argument of the test. ``record_property("found", text)`` adds what came of it, in words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from evals.records import replace

RESULTS = Path(__file__).parent / "results"
KEY = ("table", "row")


@dataclass
class Shown:
    """One row: how many tests have shown it, how many have failed, what they found."""

    tests: int = 0
    failed: int = 0
    found: list[str] = field(default_factory=list)


class Record:
    """The rows of one run of the tests."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Shown] = {}

    def add(self, table: str, row: str, *, passed: bool, found: Iterable[str]) -> None:
        shown = self._rows.setdefault((table, row), Shown())
        shown.tests += 1
        shown.failed += not passed
        shown.found += [text for text in found if text not in shown.found]

    def write(self, engine: str, version: str, folder: Path = RESULTS) -> Path:
        """Replace what the file of this engine held of the rows shown now; keep the others.

        Returns:
            The file, ``<engine>-<version>.csv``.
        """
        rows = [
            {
                "engine": engine,
                "version": version,
                "table": table,
                "row": row,
                "tests": shown.tests,
                "failed": shown.failed,
                "found": "; ".join(shown.found),
            }
            for (table, row), shown in self._rows.items()
        ]
        return replace(folder / f"{engine}-{version}.csv", rows, KEY)
