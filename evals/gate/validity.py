"""Why a run says nothing about the extension, whatever its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import binomtest

from engine_ext.features import FEATURES, OF_ENGINE
from evals.gate.arms import BASELINE, CANDIDATE
from evals.gate.samples import Sample
from evals.gate.statistics import ALPHA

SHOWN = 3  # examples in a reason
MOST_UNANSWERED = 0.1
"""Share of questions; a harness scores silence like an answer, and two silent servers alike."""


@dataclass(frozen=True)
class Arm:
    """What came of one arm.

    Args:
        dataset: digest of the files that were asked; None where unknown, and for one of the hub.
        status: the lines its processes wrote to ``ENGINE_EXT_STATUS``; None where nobody knows.
        environment: what it ran on.
    """

    name: str
    samples: Sequence[Sample]
    dataset: str | None
    status: Sequence[Mapping[str, Any]] | None
    environment: Mapping[str, Any]


def reasons(
    baseline: Arm,
    candidate: Arm,
    *,
    features: Sequence[str] | None,
    trust_arms: bool,
    min_accuracy: float | None,
    limit: int,
    most_unanswered: float = MOST_UNANSWERED,
) -> list[str]:
    """Each reason for which the run is invalid; none when it may be judged.

    Args:
        features: those that the candidate was to run with; None for what its engine runs anyway.
        limit: tokens of a reply at most.
        most_unanswered: the share of a server's replies that may be no answer.
    """
    found = []
    for arm in (baseline, candidate):
        found += _failed(arm) or _silent(arm, limit, most_unanswered)
    found += _unpaired(baseline, candidate)
    found += _extension(baseline, candidate, features, trust_arms)
    if min_accuracy is not None:
        for arm in (baseline, candidate):
            accuracy = sum(sample.score for sample in arm.samples) / len(arm.samples)
            if accuracy < min_accuracy:
                found.append(
                    f"{arm.name} scored {accuracy:.3f}, expected at least {min_accuracy:.3f}"
                )
    return found


def warnings(baseline: Arm, candidate: Arm) -> list[str]:
    """What does not invalidate a run, and makes it say less than it seems to."""
    found = []
    for arm in (baseline, candidate):
        chances = [sample.chance for sample in arm.samples if sample.chance is not None]
        right, count = sum(sample.score for sample in arm.samples), len(arm.samples)
        if len(chances) == count:
            chance = sum(chances) / count
            if binomtest(round(right), count, chance, "greater").pvalue >= ALPHA:
                found.append(
                    f"{arm.name} scored {right / count:.3f}, no better than chance"
                    f" ({chance:.3f}): what it does not see, it cannot lose"
                )
    if candidate.status and not any(map(_does, candidate.status)):
        left = {one["reason"] for line in candidate.status for one in line.get("left_alone", ())}
        why = "; ".join(sorted(left)) or "no convolution to replace"
        found.append(f"the extension has nothing to do in {candidate.name}: {why}")
    return found


def _does(line: Mapping[str, Any]) -> bool:
    """Whether the extension does something in the process that wrote ``line``."""
    return bool(line["modules"] or set(line["features"]) - {"linear"})


def _silent(arm: Arm, limit: int, most: float) -> list[str]:
    silent = sum(sample.is_no_answer(limit) for sample in arm.samples)
    if silent <= most * len(arm.samples):
        return []
    empty = sum(sample.is_empty for sample in arm.samples)
    cut = sum(sample.is_cut(limit) for sample in arm.samples)
    unreadable = sum(sample.unreadable for sample in arm.samples)
    return [
        f"{arm.name} gave no answer to {silent} of {len(arm.samples)} questions ({empty} replies"
        f" empty or all thinking, {cut} cut at {limit} tokens, {unreadable} without a choice),"
        f" expected {most:.0%} at most (--max-unanswered); a model that thinks wants --no-thinking"
        " or a larger --max-new-tokens"
    ]


def _failed(arm: Arm) -> list[str]:
    failed = [sample for sample in arm.samples if sample.failure]
    if not failed:
        return []
    return [f"{arm.name}: {len(failed)} requests failed, the first: {failed[0].failure}"]


def _unpaired(baseline: Arm, candidate: Arm) -> list[str]:
    known = {arm.dataset for arm in (baseline, candidate) if arm.dataset}
    if len(known) > 1:
        return ["the data set changed between the arms"]
    before = {sample.position: sample for sample in baseline.samples}
    after = {sample.position: sample for sample in candidate.samples}
    if alone := before.keys() ^ after.keys():
        return [f"{len(alone)} questions were asked of one arm only"]
    other = [p for p in before if before[p].question != after[p].question]
    if other:
        names = ", ".join(before[p].name for p in other[:SHOWN])
        return [f"{len(other)} questions are not the same in both arms: {names}"]
    counted = [p for p in before if before[p].prompt_tokens != after[p].prompt_tokens]
    if counted:
        first = counted[0]
        tokens = before[first].prompt_tokens, after[first].prompt_tokens
        return [
            f"{len(counted)} prompts have another number of tokens, the first"
            f" {before[first].name}: {tokens[0]} and {tokens[1]}"
        ]
    return []


def _extension(
    baseline: Arm, candidate: Arm, features: Sequence[str] | None, trust_arms: bool
) -> list[str]:
    found = []
    for arm in (baseline, candidate):
        if arm.status is None and not trust_arms:
            found.append(
                f"nothing tells whether {arm.name} runs the extension: name its status file"
                f" (ENGINE_EXT_STATUS there) with --{arm.name}-status, or say --trust-arms"
            )
    if baseline.status and any(map(_does, baseline.status)):
        does = _replaced(baseline) or sorted(
            {f for line in baseline.status for f in line["features"]}
        )
        found.append(f"{BASELINE} ran the extension: {', '.join(does)}")
    if candidate.status is not None:
        if not candidate.status:
            found.append(
                f"{CANDIDATE} did not run the extension: no model of its was loaded with it (its"
                " ENGINE_EXT_STATUS is empty)"
            )
        missing = {name for line in candidate.status for name in _missing(line, features or ())}
        if missing:
            found.append(f"{CANDIDATE} ran without {', '.join(sorted(missing))}")
    return found


def _missing(line: Mapping[str, Any], features: Sequence[str]) -> set[str]:
    """What was asked for, is there for the engine that wrote ``line``, and was not on."""
    known = OF_ENGINE.get(line["engine"], tuple(FEATURES))
    not_for_it = set(FEATURES) - set(known)
    return set(features) - set(line["features"]) - not_for_it


def _replaced(arm: Arm) -> list[str]:
    return sorted({one["name"] for line in arm.status or () for one in line["modules"]})
