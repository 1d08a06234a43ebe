"""How much memory a server holds, and whether it keeps growing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

SETTLING = 0.2
"""Share of the time that is not fitted: allocators and bounded caches fill."""
MIB = 2**20


@dataclass(frozen=True)
class Sample:
    """Seconds since the load began, and the resident memory of each process in MiB."""

    seconds: float
    processes: Mapping[str, float]

    @property
    def mib(self) -> float:
        """All processes together. Shared pages count in each: a constant, which no slope sees."""
        return sum(self.processes.values())


@dataclass(frozen=True)
class Growth:
    """A straight line through the samples: its slope and what the fit leaves open of it.

    The standard error takes samples as independent. They are not quite, so it is a lower bound.
    """

    mib_per_hour: float
    standard_error: float
    samples: int
    start_mib: float
    """The line at the first sample fitted."""


def sample(process, seconds: float) -> Sample:
    """The memory of a `psutil.Process` and of all its descendants, by name and number."""
    import psutil  # engines bring it; what reads results needs none

    found = {}
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # ended while they were read
            found[f"{one.name()} {one.pid}"] = one.memory_info().rss / MIB
    return Sample(seconds, found)


def growth(samples: Sequence[Sample], process: str | None = None) -> Growth | None:
    """The growth once settled, of one process or of all together.

    None for fewer than four samples of it.
    """
    begin = SETTLING * samples[-1].seconds if samples else 0.0
    fitted = [one for one in samples if one.seconds >= begin]
    fitted = [one for one in fitted if process is None or process in one.processes]
    if len(fitted) < 4:
        return None
    hours = np.array([one.seconds for one in fitted]) / 3600
    mib = np.array([one.mib if process is None else one.processes[process] for one in fitted])
    (slope, base), covariance = np.polyfit(hours, mib, 1, cov=True)
    return Growth(
        mib_per_hour=float(slope),
        standard_error=float(np.sqrt(covariance[0, 0])),
        samples=len(fitted),
        start_mib=float(base + slope * hours[0]),
    )


def thinned(samples: Sequence[Sample], limit: int = 120) -> list[Sample]:
    """At most ``limit`` samples, evenly spaced, the first and the last among them."""
    if len(samples) <= limit:
        return list(samples)
    chosen = np.linspace(0, len(samples) - 1, limit).round().astype(int)
    return [samples[i] for i in chosen]
