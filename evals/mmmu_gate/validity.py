"""Why a run says nothing about the extension, whatever its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine_ext.features import FEATURES, OF_ENGINE
from evals.mmmu_gate.arms import BASELINE, CANDIDATE
from evals.mmmu_gate.samples import Sample

SHOWN = 3  # examples in a reason


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
    features: Sequence[str],
    trust_arms: bool,
    min_accuracy: float | None,
) -> list[str]:
    """Each reason for which the run is invalid; none when it may be judged."""
    found = []
    for arm in (baseline, candidate):
        found += _failed(arm)
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
    baseline: Arm, candidate: Arm, features: Sequence[str], trust_arms: bool
) -> list[str]:
    found = []
    for arm in (baseline, candidate):
        if arm.status is None and not trust_arms:
            found.append(
                f"nothing tells whether {arm.name} runs the extension: name its status file"
                f" (ENGINE_EXT_STATUS there) with --{arm.name}-status, or say --trust-arms"
            )
    if baseline.status and (replaced := _replaced(baseline)):
        found.append(f"{BASELINE} ran the extension: it replaced {', '.join(replaced)}")
    if candidate.status is not None:
        if not _replaced(candidate):
            found.append(f"{CANDIDATE} did not run the extension: it replaced no module")
        else:
            missing = {name for line in candidate.status for name in _missing(line, features)}
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
