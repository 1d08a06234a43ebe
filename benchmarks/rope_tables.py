"""The table of rope positions."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.providers import OURS
from benchmarks.tables import Row, points
from evals.pages import table

WRITE = "writing the result"
SWEPT = " spans"  # what a case that is only plotted ends in


def ropes(rows: Sequence[Row]) -> str:
    """A line for each prompt and environment: ours, and how many times as long others take."""
    lines = []
    for point in points(row for row in rows if not row["shape"].endswith(SWEPT)):
        ours = point[OURS]
        milliseconds = float(ours["median"])
        cells = [
            f"{name} {float(row['median']) / milliseconds:.1f}x{_otherwise(row)}"
            for name, row in point.items()
            if name not in (OURS, WRITE)
        ]
        written = f"{milliseconds / float(point[WRITE]['median']):.1f}x"
        family, _, title = ours["shape"].partition(", ")
        shown = [
            ours["engine"] or "-",
            family,
            title,
            ours["count"],
            f"{milliseconds:.3f}",
            ", ".join(cells),
            written,
        ]
        lines.append(shown)
    columns = ["beside", "model type", "prompt", "tokens", "ours, ms", "others, times ours"]
    return table([*columns, "ours, times writing the result"], lines)


def _otherwise(row: Row) -> str:
    return " (other positions)" if float(row["difference"]) else ""
