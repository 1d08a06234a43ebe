"""What measurements run on: the device, how fast it multiplies and copies, and which engine."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import cache

import torch

from benchmarks.timing import interleaved
from engine_ext.installed import installed_version
from evals.pages import NAMES, titled

SIDE = {"cuda": 8192, "cpu": 2048}  # of the square matrices that are multiplied
COPIED = {"cuda": 2**30, "cpu": 2**27}  # bytes


@dataclass(frozen=True)
class Limits:
    """What was measured of a device in this run.

    Args:
        operations: a second, of a large square product; a multiplication and an addition are two.
        bandwidth: bytes a second, read and written, of a large copy.
    """

    operations: float
    bandwidth: float

    def floor(self, operations: float, moved: float) -> float:
        """Milliseconds below which no layer of so many operations and bytes can be."""
        return 1e3 * max(operations / self.operations, moved / self.bandwidth)


def name(device: str) -> str:
    """`NVIDIA H100 80GB HBM3`, or the processor and its threads."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{_processor()}, {torch.get_num_threads()} threads"


@cache
def engine() -> str:
    """`SGLang 0.5.23`: the engine that is installed beside this Python, empty for none."""
    found = {name: installed_version(name) for name in NAMES}
    return ", ".join(titled(name, version) for name, version in found.items() if version)


def limits(device: str, dtype: torch.dtype) -> Limits:
    """Measure them."""
    side = SIDE[device]
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    out = torch.empty_like(a)
    source = torch.empty(COPIED[device], device=device, dtype=torch.uint8)
    target = torch.empty_like(source)
    calls = {"product": lambda: torch.mm(a, b, out=out), "copy": lambda: target.copy_(source)}
    for call in calls.values():  # what a first call loads may take longer than all others
        call()
    if device == "cuda":
        torch.cuda.synchronize()
    times = interleaved(calls, seconds=10)
    return Limits(
        operations=2 * side**3 / (times["product"].low / 1e3),
        bandwidth=2 * COPIED[device] / (times["copy"].low / 1e3),
    )


def _processor() -> str:
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
