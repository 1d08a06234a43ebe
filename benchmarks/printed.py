"""The table that a benchmark of servers, or of one beside another, prints when it ends."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from benchmarks.record import Row


def by_arm(
    rows: Sequence[Row],
    title: str,
    shape: str,
    count: str,
    *,
    arm: str = "arm",
    median: str = "median",
    value: str = ".3g",
    ratio: str = ".2f",
    has_unit: bool = False,
) -> Table:
    """A line for each row.

    Args:
        title: after the engine.
        shape, count, arm, median: headings of what was asked, how much of it, by whom, and how long
            it took.
        value, ratio: how numbers are written.
        has_unit: whether rows have several.
    """
    drawn = Table(title=f"{rows[0].engine}{title}")
    unit = ["unit"] if has_unit else []
    for column in (shape, count, "", arm, median, "20 %", "80 %", *unit, "ratio"):
        drawn.add_column(column, justify="right")
    for row in rows:
        what = row.what.partition(", ")[2]  # behind the name of the benchmark
        cells = [row.shape, str(row.count), what, row.provider]
        cells += [format(each, value) for each in (row.median, row.low, row.high)]
        cells += [row.unit] if has_unit else []
        drawn.add_row(*cells, f"{row.ratio:{ratio}}x" if row.ratio else "")
    return drawn
