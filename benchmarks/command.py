"""What the commands of all benchmarks have in common: options, what they print, how they end."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.record import RESULTS, Row, append, three_digits
from engine_ext.installed import installed_version
from evals.serving.leaving import leave_when_told

WIDTH = 160  # of tables that are written to a file
NAMED = ("what", "model", "tower", "shape", "count", "dtype", "unit", "provider")
"""Columns of a printed table that tell rows apart."""


def parser(
    doc: str | None, seconds: float | None = None, devices: Iterable[str] = ()
) -> argparse.ArgumentParser:
    """A parser with ``--results``, and with others where they mean something.

    Args:
        doc: of the module, as its help.
        seconds: that a point takes by default; no ``--seconds`` for None.
        devices: to choose from with ``--device``, by default a GPU if there is one; none of it
            where empty.
    """
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if devices:
        here = "cuda" if torch.cuda.is_available() else "cpu"
        made.add_argument("--device", choices=tuple(devices), default=here)
    if seconds is not None:
        points = f"for each point, about (default {seconds:g})"
        made.add_argument("--seconds", type=float, default=seconds, help=points)
    made.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV")
    return made


def add_engine(options_of: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """The option ``--engine``, by default one that is installed beside this Python."""
    names = tuple(names)
    here = next((name for name in names if installed_version(name)), "vllm")
    options_of.add_argument("--engine", choices=names, default=here, help=f"(default {here})")


@contextmanager
def recording(name: str, folder: Path) -> Iterator[list[Row]]:
    """A list for rows; in the end they are shown and added to the file of that name.

    Also where something fails midway or ends the run: what was measured until then is kept.
    """
    rows: list[Row] = []
    leave_when_told()
    try:
        yield rows
    finally:
        if rows:
            screen = console()
            screen.print(f"written: {append(rows, name, folder)}")
            screen.print(printed(rows))


@contextmanager
def recording_in_folder(name: str, results: Path) -> Iterator[tuple[list[Row], Path]]:
    """The same, and an empty folder for what is made meanwhile, which is removed in the end."""
    with (
        recording(name, results) as rows,
        tempfile.TemporaryDirectory(prefix=f"engine_ext-{name}-") as folder,
    ):
        yield rows, Path(folder)


def console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=WIDTH)


def printed(rows: Sequence[Row]) -> Table:
    """A line for each row, by what tells it from others; what all have stands above."""
    values = {name: {str(getattr(row, name)) for row in rows} for name in NAMED}
    common = [next(iter(each)) for each in values.values() if len(each) == 1]
    title = ", ".join(each for each in (rows[0].engine, rows[0].device, *common) if each)
    told_by = [name for name, each in values.items() if len(each) > 1]
    has_peak = any(row.peak_mib is not None for row in rows)
    drawn = Table(title=title)
    for column in (*told_by, "median", "20 %", "80 %", "ratio", *["peak MiB"] * has_peak):
        drawn.add_column(column, justify="right")
    for row in rows:
        cells = [str(getattr(row, name)) for name in told_by]
        cells += [three_digits(value) for value in (row.median, row.low, row.high)]
        cells.append("" if row.ratio is None else f"{row.ratio:.3g}x")
        cells += ["" if row.peak_mib is None else f"{row.peak_mib:.0f}"] * has_peak
        drawn.add_row(*cells)
    return drawn
