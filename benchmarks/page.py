"""The tables of docs/benchmarks.md, drawn from what the benchmarks recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import gpu_server_tables, gpu_summary
from benchmarks.gaps_tables import gaps
from benchmarks.pixels_tables import hosts, rates, renders, stages
from benchmarks.record import RESULTS, newest, read
from benchmarks.rope_tables import ropes
from benchmarks.serve_tables import encoders, memory, rope_servers, servers, starts
from benchmarks.tables import Row, counts, engine_layers, layers, loads, towers

PLACES: dict[str, tuple[str, Callable[[Sequence[Row]], str]]] = {
    "layers": ("patch_embed", layers),
    "counts": ("patch_embed", counts),
    "engine layers": ("patch_embed", engine_layers),
    "towers": ("tower", towers),
    "loads": ("load", loads),
    "ropes": ("mrope", ropes),
    "rope servers": ("mrope_server", rope_servers),
    "encoders": ("encoder", encoders),
    "servers": ("serve", servers),
    "memory": ("serve", memory),
    "pixel hosts": ("pixels", hosts),
    "pixel stages": ("pixels", stages),
    "pixel rates": ("pixels", rates),
    "renders": ("renders", renders),
    "gaps": ("gaps", gaps),
    "gpu server": ("gpu_server", gpu_server_tables.speeds),
    "gpu answers": ("gpu_server", gpu_server_tables.answers),
}
"""Which file each place of the page is drawn from, and how."""


def drawn(folder: Path = RESULTS) -> dict[str, str]:
    """Each table by its name on the page."""
    tables = {
        place: draw(newest(read(folder / f"{file}.csv"))) for place, (file, draw) in PLACES.items()
    }
    others = {"starts": starts(read(folder / "startup.csv")), "gpu": gpu_summary.page(folder)}
    return {**tables, **others}
