"""What stock engines run for a patch embedding, by version: one table for ``doctor`` and README.

The rows of ``compatibility.json`` were read in the released wheels. ``python -m
engine_ext.compatibility`` prints the README's table.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.resources import files

Version = tuple[int, ...]

SLOW_SINCE_TORCH: Version = (2, 9)
BROKEN_CUDNN: tuple[Version, Version] = ((9, 8), (9, 15))
"""ATen keeps 3-D convolutions in bf16 and fp16 off cuDNN versions in this half-open range and takes
its slow generic path (pytorch #166122, #166643)."""


@dataclass(frozen=True)
class StockLayer:
    """What one range of versions of an engine runs: ``since`` <= version < ``before``."""

    engine: str
    since: str
    before: str | None
    layer: str
    linear_on_torch: tuple[str, ...]
    torch: str

    def is_linear_on(self, torch_version: str, has_gpu: bool) -> bool:
        """Whether stock computes a matrix product already."""
        if self.layer == "Conv3dLayer" and not has_gpu:
            return True  # the engine's layer keeps the convolution for GPUs
        found = parse_version(torch_version)
        return any(
            found >= parse_version(wanted[2:])
            if wanted[:2] == ">="
            else found == parse_version(wanted)
            for wanted in self.linear_on_torch
        )


def table() -> tuple[StockLayer, ...]:
    rows = json.loads((files("engine_ext") / "compatibility.json").read_text())
    return tuple(
        StockLayer(**{**row, "linear_on_torch": tuple(row["linear_on_torch"])}) for row in rows
    )


def stock_layer(engine: str, version: str) -> StockLayer | None:
    """The row for a version of an engine, or None where none was read."""
    found = parse_version(version)
    for row in table():
        below = row.before is None or found < parse_version(row.before)
        if row.engine == engine and below and parse_version(row.since) <= found:
            return row
    return None


def conv3d_is_slow(torch_version: str, cudnn_version: str | None) -> bool:
    """Whether a bf16 or fp16 3-D convolution takes ATen's generic path on this stack."""
    if cudnn_version is None or parse_version(torch_version) < SLOW_SINCE_TORCH:
        return False
    return BROKEN_CUDNN[0] <= parse_version(cudnn_version) < BROKEN_CUDNN[1]


def parse_version(version: str) -> Version:
    """The numbers of a release: ``2.10.0+cpu`` is (2, 10, 0). (0,) where there are none."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match.group().split(".")) if match else (0,)


def markdown_table() -> str:
    """The table as the README shows it."""
    lines = [
        "| engine | versions | torch it pins | layer | computes a matrix product on a GPU |",
        "|---|---|---|---|---|",
    ]
    for row in table():
        versions = (
            f"{row.since} and newer" if row.before is None else f"{row.since} to < {row.before}"
        )
        linear = (
            "with torch " + " or ".join(row.linear_on_torch) if row.linear_on_torch else "never"
        )
        lines.append(f"| {row.engine} | {versions} | {row.torch} | `{row.layer}` | {linear} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown_table())
