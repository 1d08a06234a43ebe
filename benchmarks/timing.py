"""Time several implementations of one thing in one run, by turns.

A machine's speed drifts within seconds. So every round times each implementation once, and what is
compared are medians of the same rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch.utils.benchmark import Timer

Call = Callable[[], object]
Name = TypeVar("Name")
TURN = {"cpu": 0.2, "cuda": 0.05}
"""Seconds that each implementation is timed for in a round, at least."""
SLOW = 0.1
"""Seconds of a call on a GPU above which it is timed once: in rounds it would take all the time."""
VERY_SLOW = 1.0
"""Seconds of one that is not even warmed: what a first call sets up is lost in them."""


@dataclass(frozen=True)
class Times:
    """Milliseconds of one call: the median, and the 20 % and 80 % quantiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> Times:
        return cls(*map(float, np.quantile(milliseconds, [0.5, 0.2, 0.8])))


def interleaved(calls: Mapping[Name, Call], seconds: float, rounds: int = 7) -> dict[Name, Times]:
    """Time each of ``calls`` in ``rounds`` rounds, in fewer where that would exceed ``seconds``.

    Three rounds are made in any case. A round gives as many timings of a call as its turn has room
    for. Calls on a GPU are waited for (`torch.utils.benchmark`). A call of more than `SLOW` seconds
    there is timed once, after the first.
    """
    threads = torch.get_num_threads()  # a timer takes one by default
    turn = TURN["cuda" if torch.cuda.is_available() else "cpu"]
    found: dict[Name, list[float]] = {name: [] for name in calls}
    timers = {
        name: Timer("call()", globals={"call": call}, num_threads=threads)
        for name, call in calls.items()
    }
    begun = time.monotonic()
    for name, call in calls.items():
        once = _seconds(call)  # warm, and timed for the length of a round only
        if not torch.cuda.is_available() or once < SLOW:
            continue
        again = once if once > VERY_SLOW else _seconds(call)
        if again > SLOW:
            found[name] += [1e3 * again]
            del timers[name]
    per_round = time.monotonic() - begun + turn * len(timers)
    for _ in range(min(rounds, max(3, int(seconds / per_round)))):
        for name, timer in timers.items():
            timed = timer.blocked_autorange(min_run_time=turn)
            found[name] += [1e3 * each for each in timed.times]
    return {name: Times.of(each) for name, each in found.items()}


def rate(calls: Sequence[Call], at_once: int) -> float:
    """Calls a second, so many at a time."""
    with ThreadPoolExecutor(at_once) as pool:
        begun = time.perf_counter()
        list(pool.map(lambda call: call(), calls))
        return len(calls) / (time.perf_counter() - begun)


def _seconds(call: Call) -> float:
    begun = time.perf_counter()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def peak_mib(call: Call) -> float | None:
    """Memory that a call takes on top of what is held, on a GPU; None without one."""
    if not torch.cuda.is_available():
        return None
    call()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - held) / 2**20
