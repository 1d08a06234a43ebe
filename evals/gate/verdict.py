"""PASS, FAIL or INVALID."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from evals.gate.statistics import ALPHA, Paired


class Verdict(Enum):
    """With the exit status of each."""

    PASS = 0
    FAIL = 1
    INVALID = 2


@dataclass(frozen=True)
class Judged:
    """The verdict, why, and what to know beside it."""

    verdict: Verdict
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def judge(
    overall: Paired | None,
    max_drop: float,
    invalid: Sequence[str],
    logprob_faults: Sequence[str] = (),
    smoke: bool = False,
    warnings: Sequence[str] = (),
) -> Judged:
    """Judge a run.

    A loss that is beyond chance fails, with few questions too: they were enough to see it. Only a
    run that shows no loss needs enough questions to have shown one.

    Args:
        overall: None where nothing could be compared.
        invalid: reasons for which the scores say nothing.
        logprob_faults: what the finer comparison found.
        smoke: too few questions are a warning, not a reason.
        warnings: what else to know of the run.
    """
    if invalid or overall is None:
        return Judged(Verdict.INVALID, tuple(invalid), tuple(warnings))
    failures = []
    if overall.difference < 0 and overall.mcnemar_p < ALPHA:
        failures.append(
            f"the candidate answers worse: {overall.difference:+.4f}, {overall.lost} lost,"
            f" {overall.won} won, p = {overall.mcnemar_p:.2g}"
        )
    failures += logprob_faults
    few = overall.detectable_drop > max_drop
    too_few = (
        f"too few questions: of {overall.count}, with {overall.lost + overall.won} changed, a drop"
        f" of {overall.detectable_drop:.4f} could have been seen, expected {max_drop:.4f} or less"
    )
    told = (*warnings, too_few) if few and smoke else tuple(warnings)
    if failures:
        return Judged(Verdict.FAIL, tuple(failures), told)
    if few and not smoke:
        return Judged(Verdict.INVALID, (too_few,), told)
    if overall.drop_p >= ALPHA and not few:
        reason = (
            f"a drop of {max_drop:.4f} is not excluded: {overall.difference:+.4f}, p ="
            f" {overall.drop_p:.2g}"
        )
        return Judged(Verdict.FAIL, (reason,), told)
    return Judged(Verdict.PASS, (), told)
