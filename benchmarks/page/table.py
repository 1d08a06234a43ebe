"""One way to draw a table of rows: what tells its lines apart, and what stands in their cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmarks.record import OFF, ON, Recorded, three_digits
from evals.pages import table

Rows = Sequence[Recorded]
Cell = Callable[[Rows], str]
"""What is written of the rows of a line."""
Columns = Sequence[tuple[str, Cell]]
NONE = "-"


@dataclass(frozen=True)
class Table:
    """A table of a file of results.

    Args:
        file: its name.
        told_by: the columns of rows by which lines are told apart, with headings of their own
            where they have one: ``"engine shape=image"``.
        columns: heading and cell of each further column.
        shows: the rows that take part.
    """

    file: str
    told_by: str
    columns: Columns
    shows: Callable[[Recorded], bool] = lambda row: True

    def drawn(self, rows: Iterable[Recorded]) -> str:
        """In Markdown."""
        told_by = [name.partition("=") for name in self.told_by.split()]
        lines: dict[tuple[str, ...], list[Recorded]] = {}
        for row in filter(self.shows, rows):
            lines.setdefault(tuple(row[name] or NONE for name, _, _ in told_by), []).append(row)
        headings = [(heading or name).replace("_", " ") for name, _, heading in told_by]
        headings += [heading for heading, _ in self.columns]
        cells = [[*line, *(cell(own) for _, cell in self.columns)] for line, own in lines.items()]
        return table(headings, cells)


def where(rows: Iterable[Recorded], **wanted: str) -> list[Recorded]:
    """The rows whose columns are these."""
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def number(rows: Rows, column: str = "median", **wanted: str) -> float:
    """Of the first of these rows; 0 where there is none."""
    found = where(rows, **wanted)
    return float(found[0][column]) if found else 0.0


def of(write: Callable[[Recorded], str], **wanted: str) -> Cell:
    """A cell that writes the first of these rows of the line."""

    def cell(rows: Rows) -> str:
        found = where(rows, **wanted)
        return write(found[0]) if found else NONE

    return cell


def of_both(
    write: Callable[[float, float], str], first: str, second: str, column: str = "median"
) -> Cell:
    """A cell that writes numbers of two providers."""
    return lambda rows: write(*(number(rows, column, provider=one) for one in (first, second)))


def times(**wanted: str) -> Cell:
    """The median, and both quantiles behind it."""

    def write(row: Recorded) -> str:
        median, low, high = (three_digits(float(row[name])) for name in ("median", "low", "high"))
        return f"{median} ({low} to {high})"

    return of(write, **wanted)


def better(**wanted: str) -> Cell:
    """How many times as good as the reference; nothing for the reference itself."""

    def write(row: Recorded) -> str:
        if not row["ratio"] or row["provider"] == row["reference"]:
            return ""
        found = float(row["ratio"])
        return f"{found:.2f}x" if found >= 0.1 else f"{found:.1g}x"

    return of(write, **wanted)


def each(*whats: str) -> Columns:
    """Two columns for each thing that was measured."""
    return [
        column
        for what in whats
        for column in ((_headed(what), times(what=what)), ("better by", better(what=what)))
    ]


def off_and_on(what: str = "") -> Columns:
    """Three columns, of one thing that was measured where it is named."""
    wanted = {"what": what} if what else {}
    return [
        (f"{_headed(what)}, off" if what else "off", times(provider=OFF, **wanted)),
        ("on", times(provider=ON, **wanted)),
        ("better by", better(provider=ON, **wanted)),
    ]


def _headed(what: str) -> str:
    return what if what.endswith("/s") else f"{what}, ms"
