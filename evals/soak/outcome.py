"""What came of a soak: the answers by kind, and everything that is not as it must be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from evals.checkpoints import SHARE_RIGHT
from evals.serving.asking import differences
from evals.soak.memory import Sample, growth
from evals.soak.mixed import WELL_FORMED
from evals.soak.odd import MALFORMED, ODD

if TYPE_CHECKING:
    from evals.soak.course import Soaked
    from evals.soak.load import Load

SHARE_SENT = 0.95
ENOUGH = 10 * len((*WELL_FORMED, *ODD))
"""In as many requests each kind has had its turn."""
GROWTH_LIMIT = 0.02
"""Share of its memory by which a server may grow in an hour, after two standard errors."""
SHORTEST_FIT = 10  # minutes: in fewer, allocators are still filling


Row = dict[str, Any]


def kinds(answers: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The answers by kind, as the result has them, in the order of the mix and of the odd requests:
    how many of each status (0: none came), how long they took, and what stock says to an odd one.
    """
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for answer in answers:
        grouped.setdefault(answer["kind"], []).append(answer)
    found = []
    for name in (name for name in (*WELL_FORMED, *ODD) if name in grouped):
        group = grouped[name]
        statuses = Counter(answer["status"] for answer in group)
        p50, p95 = np.percentile([answer["milliseconds"] for answer in group], [50, 95])
        row = {
            "kind": name,
            "malformed": name in MALFORMED,
            "count": len(group),
            "statuses": {str(status): n for status, n in sorted(statuses.items())},
            "p50_ms": round(float(p50), 1),
            "p95_ms": round(float(p95), 1),
        }
        found.append({**row, "stock": group[0]["expected"]} if name in ODD else row)
    return found


def share_right(answers: Iterable[Mapping[str, Any]]) -> float:
    """Of the answered questions that have a right answer; 0 where there are none."""
    asked = [answer for answer in answers if answer["right"] and answer["status"] == 200]
    right = sum((answer["answered"] or "").strip() == answer["right"] for answer in asked)
    return right / len(asked) if asked else 0.0


def faults(soaked: Soaked, found: Sequence[Row], load: Load, extension: str) -> list[str]:
    """Everything that is not as it must be, in words; empty when all is well."""
    warm_up = answer_faults(soaked.warm_up, kinds(soaked.warm_up), due=0) if soaked.warm_up else []
    every = [
        *(f"before, {fault}" for fault in differences(soaked.stock, soaked.before)),
        *(f"after, {fault}" for fault in differences(soaked.stock, soaked.after)),
        *(f"warm-up: {fault}" for fault in warm_up),
        *answer_faults(soaked.answers, found, load.due),
        *memory_faults(soaked.samples, load.minutes),
    ]
    if bool(soaked.replaced) != (extension == "on"):
        every.append(f"the status file names {len(soaked.replaced)} replaced modules")
    return every


def answer_faults(
    answers: Sequence[Mapping[str, Any]], found: Sequence[Row], due: float
) -> list[str]:
    """What is wrong with the answers, of which so many were due.

    A status other than stock's is a fault. One of stock's own that is not a 4xx for a malformed
    request is not: `stock_oddities` names it.
    """
    faults = []
    if len(answers) < SHARE_SENT * due:
        faults.append(f"{len(answers)} requests were answered, {due:.0f} were due")
    missing = {*WELL_FORMED, *ODD} - {row["kind"] for row in found}
    if missing and due >= ENOUGH:
        faults.append(f"not asked: {', '.join(sorted(missing))}")
    for row in found:
        expected = row.get("stock", 200)
        other = {status: n for status, n in row["statuses"].items() if status != str(expected)}
        if other:
            faults.append(f"{row['kind']}: {statuses_text(other)}, expected {expected}")
    empty = sum(answer["status"] == 200 and answer["answered"] is None for answer in answers)
    if empty:
        faults.append(f"{empty} answers of status 200 are no completions")
    right = share_right(answers)
    if right < SHARE_RIGHT:
        faults.append(f"only {right:.0%} of the answers are right")
    return faults


def stock_oddities(found: Iterable[Row]) -> list[str]:
    """Malformed requests that stock itself does not refuse with a 4xx."""
    return [
        f"{row['kind']}: stock answers {row['stock']}"
        for row in found
        if row["malformed"] and not 400 <= row["stock"] < 500
    ]


def memory_faults(samples: Sequence[Sample], minutes: float) -> list[str]:
    """A process that ended, and memory that grows by a run that is long enough to tell."""
    faults = []
    if samples and (ended := set(samples[0].processes) - set(samples[-1].processes)):
        faults.append(f"ended: {', '.join(sorted(ended))}")
    if minutes < SHORTEST_FIT:
        return faults
    grown = growth(samples)
    if grown is None:
        return [*faults, "too few samples of the memory"]
    if grown.mib_per_hour - 2 * grown.standard_error > GROWTH_LIMIT * grown.fitted_start_mib:
        faults.append(f"memory grows by {grown.mib_per_hour:.0f} MiB/h")
    return faults


def statuses_text(statuses: Mapping[str, int]) -> str:
    """``200: 12, 500: 1``; 0 reads "none"."""
    return ", ".join(
        f"{'none' if status == '0' else status}: {n}" for status, n in statuses.items()
    )
