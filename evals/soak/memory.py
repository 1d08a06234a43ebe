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
    ``fitted_start_mib`` is the line at the first sample fitted.
    """

    mib_per_hour: float
    standard_error: float
    fitted_samples: int
    fitted_start_mib: float


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
    from scipy.stats import linregress

    begin = SETTLING * samples[-1].seconds if samples else 0.0
    fitted = [one for one in samples if one.seconds >= begin]
    fitted = [one for one in fitted if process is None or process in one.processes]
    if len(fitted) < 4:
        return None
    hours = np.array([one.seconds for one in fitted]) / 3600
    mib = [one.mib if process is None else one.processes[process] for one in fitted]
    line = linregress(hours, mib)
    start = line.intercept + line.slope * hours[0]
    return Growth(float(line.slope), float(line.stderr), len(fitted), float(start))


def thinned(samples: Sequence[Sample], limit: int = 120) -> list[Sample]:
    """At most ``limit`` samples, evenly spaced, the first and the last among them."""
    chosen = np.linspace(0, len(samples) - 1, min(limit, len(samples))).round().astype(int)
    return [samples[i] for i in chosen]
