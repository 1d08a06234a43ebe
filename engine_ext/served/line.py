"""The line of ``ENGINE_EXT_STATUS`` that tells what a process serves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

import torch

from engine_ext import __version__
from engine_ext.patch_embed import Report, Verification
from engine_ext.patch_embed.linear import PatchLinear


@dataclass(frozen=True)
class Identity:
    """Which model of which engine a status line speaks of."""

    engine: str
    engine_version: str
    architecture: str
    features: tuple[str, ...]


def status_line(
    identity: Identity,
    report: Report,
    verified: Mapping[str, Verification],
    loads: int,
    projection: PatchLinear | None,
) -> dict[str, Any]:
    """What was replaced in this process and how well it verified.

    Args:
        projection: one that is served, for its device and dtype; None where there is none.
    """
    weight = None if projection is None else projection.weight
    return {
        "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "pid": os.getpid(),
        "engine_ext": __version__,
        "torch": torch.__version__,
        **asdict(identity),
        "device": None if weight is None else str(weight.device),
        "dtype": None if weight is None else str(weight.dtype).removeprefix("torch."),
        "loads": loads,
        "modules": [
            {
                "name": finding.name,
                "replaced": finding.layer,
                "weight_shape": finding.geometry.weight_shape,
                "difference": verified[finding.name].difference,
                "verified_in": verified[finding.name].dtype,
                "takes_pixels": projection is not None and projection.still is not None,
            }
            for finding in report.replaced
            if finding.geometry is not None
        ],
        "left_alone": [
            {"name": f.name, "layer": f.layer, "reason": f.reason}
            for f in report.findings
            if f.outcome == "left alone"
        ],
    }
