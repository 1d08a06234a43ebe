"""The tables of docs/compatibility.md: what stock runs, a column for each range of versions."""

from __future__ import annotations

from engine_ext.doctor.compatibility import LAYERS, StockRange, table
from evals import pages


def drawn() -> dict[str, str]:
    return {engine: _of_engine(engine) for engine in pages.NAMES}


def _of_engine(engine: str) -> str:
    ranges = [row for row in table() if row.engine == engine]
    models = dict.fromkeys(name for row in ranges for name in row.layers)
    rows = [["torch it pins", *(row.torch for row in ranges)]]
    if any(row.transformers for row in ranges):
        rows.append(["transformers it pins", *(row.transformers or "" for row in ranges)])
    rows += [
        [name, *(LAYERS.get(row.layers.get(name, ""), "-") for row in ranges)] for name in models
    ]
    rows.append(["`Conv3dLayer` on a GPU", *(_computes(row) for row in ranges)])
    return pages.table([engine, *(_versions(row) for row in ranges)], rows)


def _versions(row: StockRange) -> str:
    return f"{row.since} and newer" if row.before is None else f"{row.since} to < {row.before}"


def _computes(row: StockRange) -> str:
    if "Conv3dLayer" not in row.layers.values():
        return "-"
    if row.linear_on_torch is None:
        return "multiplies"
    return "multiplies with torch " + " or ".join(row.linear_on_torch)
