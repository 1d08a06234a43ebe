"""Why a run says nothing about the extension, whatever its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from scipy.stats import binomtest

from engine_ext.features import FEATURES, OF_ENGINE
from evals.gate import alike, extension
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
        asked: for which model and in which way, as of `alike.asked`; None where unknown.
        dataset: digest of the files that were asked; None where unknown, and for one of the hub.
        status: the lines its processes wrote to ``ENGINE_EXT_STATUS``; None where nobody knows.
        environment: what it ran on.
    """

    name: str
    samples: Sequence[Sample]
    asked: Mapping[str, Any] | None
    dataset: str | None
    status: Sequence[Mapping[str, Any]] | None
    environment: Mapping[str, Any]

    @property
    def facts(self) -> Mapping[str, Any]:
        """Whatever is known of how it was asked and what it ran on."""
        return {**self.environment, **(self.asked or {})}

    @property
    def accuracy(self) -> float:
        return fmean(sample.score for sample in self.samples)

    @property
    def replaced(self) -> list[str]:
        """The modules that its status lines name."""
        return extension.replaced(self.status or ())

    @property
    def features(self) -> set[str]:
        """Those that were on in any of its processes."""
        return extension.on(self.status or ())

    @property
    def used(self) -> set[str]:
        """Those that have done something in one of its processes."""
        return extension.used(self.status or ())


def reasons(
    baseline: Arm,
    candidate: Arm,
    *,
    features: Sequence[str] | None,
    trust_servers: bool,
    min_accuracy: float | None,
    limit: int,
    most_unanswered: float = MOST_UNANSWERED,
    is_other_model: bool = False,
) -> list[str]:
    """Each reason for which the run is invalid; none when it may be judged.

    Args:
        features: those that the candidate was to run with; None for what its engine runs anyway.
        limit: tokens of a reply at most.
        most_unanswered: the share of a server's replies that may be no answer.
        is_other_model: the candidate is meant to have another model.
    """
    found = []
    for arm in (baseline, candidate):
        found += _failed(arm) or _silent(arm, limit, most_unanswered)
    found += alike.reasons(baseline.facts, candidate.facts, is_other_model)
    found += _unpaired(baseline, candidate)
    if not trust_servers:
        found += [
            f"nothing tells whether {arm.name} runs the extension: name its status file"
            f" (ENGINE_EXT_STATUS there) with --{arm.name}-status, or say --trust-servers"
            for arm in (baseline, candidate)
            if arm.status is None
        ]
    found += _extension(baseline, candidate, features or ())
    found += [
        f"{arm.name} scored {arm.accuracy:.3f}, expected at least {min_accuracy:.3f}"
        for arm in (baseline, candidate)
        if min_accuracy is not None and arm.accuracy < min_accuracy
    ]
    return found


def warnings(baseline: Arm, candidate: Arm, features: Sequence[str] | None = None) -> list[str]:
    """What does not invalidate a run, and makes it say less than it seems to.

    Args:
        features: as of `reasons`, where those that have done nothing are.
    """
    found = []
    for arm in (baseline, candidate):
        chances = [sample.chance for sample in arm.samples if sample.chance is not None]
        count = len(arm.samples)
        if len(chances) == count:
            right, chance = round(arm.accuracy * count), fmean(chances)
            if binomtest(right, count, chance, "greater").pvalue >= ALPHA:
                found.append(
                    f"{arm.name} scored {arm.accuracy:.3f}, no better than chance"
                    f" ({chance:.3f}): what it does not see, it cannot lose"
                )
    found += [
        f"{arm.name}: nothing beside its samples (arm.json) says for which model and in which way"
        " it was asked: whether as the other was is not known"
        for arm in (baseline, candidate)
        if arm.asked is None
    ]
    found += alike.warnings(baseline.facts, candidate.facts)
    idle = sorted(candidate.features - candidate.used - set(features or ()))
    return found + [
        f"the extension has nothing to do in {candidate.name} by {name}:"
        f" {extension.why_unused(candidate.status or (), name)}"
        for name in idle
    ]


def _failed(arm: Arm) -> list[str]:
    failed = [sample.failure for sample in arm.samples if sample.failure]
    return [f"{arm.name}: {len(failed)} requests failed, the first: {failed[0]}"] if failed else []


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


def _unpaired(baseline: Arm, candidate: Arm) -> list[str]:
    if len({arm.dataset for arm in (baseline, candidate) if arm.dataset}) > 1:
        return ["the data set changed between the servers"]
    before = {sample.position: sample for sample in baseline.samples}
    after = {sample.position: sample for sample in candidate.samples}
    if alone := before.keys() ^ after.keys():
        return [f"{len(alone)} questions were asked of one server only"]
    pairs = [(before[position], after[position]) for position in before]
    if other := [b.name for b, c in pairs if b.question != c.question]:
        names = ", ".join(other[:SHOWN])
        return [f"{len(other)} questions are not the same at both servers: {names}"]
    if counted := [(b, c) for b, c in pairs if b.prompt_tokens != c.prompt_tokens]:
        b, c = counted[0]
        return [
            f"{len(counted)} prompts have another number of tokens, the first {b.name}:"
            f" {b.prompt_tokens} and {c.prompt_tokens}"
        ]
    return []


def _extension(baseline: Arm, candidate: Arm, wanted: Sequence[str]) -> list[str]:
    found = []
    if baseline.used or baseline.features - {"linear"}:
        does = ", ".join(baseline.replaced or sorted(baseline.features | baseline.used))
        found.append(f"{BASELINE} ran the extension: {does}")
    if candidate.status is not None and not extension.holds_model(candidate.status):
        found.append(
            f"{CANDIDATE} did not run the extension: no model of its was loaded with it (its"
            " ENGINE_EXT_STATUS has no line of one)"
        )
    missing = set()
    for line in candidate.status or ():
        if "features" in line:
            there = OF_ENGINE.get(line["engine"], tuple(FEATURES))
            # A name that is no feature at all is missing everywhere.
            asked = {name for name in wanted if name in there or name not in FEATURES}
            missing |= asked - set(line["features"])
    if missing:
        found.append(f"{CANDIDATE} ran without {', '.join(sorted(missing))}")
    idle = set(wanted) & candidate.features - candidate.used - missing
    return found + [
        f"{CANDIDATE} has done nothing by {name}, which --features names:"
        f" {extension.why_unused(candidate.status or (), name)}"
        for name in sorted(idle)
    ]
