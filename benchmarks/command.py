"""What the commands of all benchmarks have in common: options, and how they end."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console, RenderableType

from benchmarks.record import RESULTS, Row, append

WIDTH = 160  # of tables that are written to a file


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


@contextmanager
def recording(
    drawn: Callable[[list[Row]], RenderableType], name: str, folder: Path
) -> Iterator[list[Row]]:
    """A list for rows; in the end they are shown and added to the file of that name.

    Also where something fails midway or ends the run: what was measured until then is kept.
    """
    rows: list[Row] = []
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield rows
    finally:
        console = Console()
        if not console.is_terminal:
            console = Console(width=WIDTH)
        if rows:
            console.print(f"written: {append(rows, name, folder)}")
            console.print(drawn(rows))
