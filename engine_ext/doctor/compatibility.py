"""What stock engines run for a patch embedding, by version: one table for ``doctor`` and the docs.

The rows of ``compatibility.json`` were read in the released wheels.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files

from engine_ext.versions import Version, parse_version

SLOW_SINCE_TORCH: Version = (2, 9)
BROKEN_CUDNN: tuple[Version, Version] = ((9, 8), (9, 15))
"""ATen keeps 3-D convolutions in bf16 and fp16 off cuDNN versions in this half-open range and takes
its slow generic path (pytorch #166122, #166643)."""

LAYERS = {
    "nn.Conv3d": "`nn.Conv3d`",
    "transformers": "`nn.Conv3d` of transformers",
    "Conv3dLayer": "`Conv3dLayer`",
    "F.linear": "a matrix product",
}
"""The layers that occur. ``Conv3dLayer`` is an engine's own: a matrix product or a convolution."""


@dataclass(frozen=True)
class StockRange:
    """What one range of versions of an engine runs: ``since`` <= version < ``before``."""

    engine: str
    since: str
    before: str | None
    torch: str
    transformers: str | None
    """What it pins, for readers."""
    linear_on_torch: tuple[str, ...] | None
    """The versions of torch on which its ``Conv3dLayer`` multiplies on a GPU; None for all."""
    layers: dict[str, str]
    """Models to layer, a key of ``LAYERS``. Models it does not have are absent."""

    def is_linear(self, layer: str, torch_version: str, has_gpu: bool) -> bool:
        """Whether stock computes a matrix product already where it runs ``layer``."""
        if layer != "Conv3dLayer":
            return layer == "F.linear"
        if self.linear_on_torch is None or not has_gpu:
            return True  # the engine's layer keeps the convolution for GPUs
        found = parse_version(torch_version)
        return any(
            found >= parse_version(wanted[2:])
            if wanted[:2] == ">="
            else found == parse_version(wanted)
            for wanted in self.linear_on_torch
        )


def table() -> tuple[StockRange, ...]:
    rows = json.loads((files(__package__) / "compatibility.json").read_text())
    for row in rows:
        if row["linear_on_torch"] is not None:
            row["linear_on_torch"] = tuple(row["linear_on_torch"])
    return tuple(StockRange(**row) for row in rows)


def stock_range(engine: str, version: str) -> StockRange | None:
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
