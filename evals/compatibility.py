"""The tables of docs/compatibility.md, to paste there: ``python -m evals.compatibility``."""

from __future__ import annotations

from engine_ext.compatibility import LAYERS, StockRange, table
from evals.markdown import table as drawn


def markdown_table(engine: str) -> str:
    """The table of one engine: a column for each range of versions."""
    ranges = [row for row in table() if row.engine == engine]
    models = list(dict.fromkeys(name for row in ranges for name in row.layers))
    lines = [["torch it pins", *(row.torch for row in ranges)]]
    if any(row.transformers for row in ranges):
        lines.append(["transformers it pins", *(row.transformers or "" for row in ranges)])
    for name in models:
        lines.append([name, *(LAYERS.get(row.layers.get(name, ""), "-") for row in ranges)])
    lines.append(["`Conv3dLayer` on a GPU", *(_computes(row) for row in ranges)])
    return drawn([engine, *(_versions(row) for row in ranges)], lines)


def _versions(row: StockRange) -> str:
    return f"{row.since} and newer" if row.before is None else f"{row.since} to < {row.before}"


def _computes(row: StockRange) -> str:
    if "Conv3dLayer" not in row.layers.values():
        return "-"
    if row.linear_on_torch is None:
        return "multiplies"
    return "multiplies with torch " + " or ".join(row.linear_on_torch)


if __name__ == "__main__":
    print("\n\n".join(markdown_table(engine) for engine in ("sglang", "vllm")))
