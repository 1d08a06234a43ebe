"""Two valid arms side by side: by subject, overall, and every question whose score changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from evals.gate.samples import Sample
from evals.gate.statistics import Paired, paired, share_interval

OVERALL = "all"


class Pair(NamedTuple):
    """A question and both replies to it."""

    baseline: Sample
    candidate: Sample


@dataclass(frozen=True)
class Row(Paired):
    """The questions of one subject, or all of them, as the report has it.

    Args:
        baseline_interval, candidate_interval: of their accuracy.
        identical: share of replies that are the same to the letter.
        unreadable: replies of each arm from which no option could be read.
    """

    subject: str
    baseline_interval: tuple[float, float]
    candidate_interval: tuple[float, float]
    identical: float
    unreadable: Mapping[str, int]


@dataclass(frozen=True)
class Comparison:
    overall: Row
    subjects: tuple[Row, ...]
    flipped: tuple[Pair, ...]
    count_differing: int


def compare(baseline: Sequence[Sample], candidate: Sequence[Sample], max_drop: float) -> Comparison:
    """Pair samples by position; those of both arms must be the same questions."""
    after = {sample.position: sample for sample in candidate}
    pairs = [Pair(sample, after[sample.position]) for sample in baseline]
    subjects = sorted({sample.subject for sample in baseline})
    of = {name: [pair for pair in pairs if pair.baseline.subject == name] for name in subjects}
    return Comparison(
        overall=_row(OVERALL, pairs, max_drop),
        subjects=tuple(_row(name, own, max_drop) for name, own in of.items()),
        flipped=tuple(pair for pair in pairs if pair.baseline.score != pair.candidate.score),
        count_differing=sum(pair.baseline.reply != pair.candidate.reply for pair in pairs),
    )


def _row(subject: str, pairs: Sequence[Pair], max_drop: float) -> Row:
    before, after = zip(*pairs, strict=True)
    scores = paired([one.score for one in before], [one.score for one in after], max_drop)
    return Row(
        **vars(scores),
        subject=subject,
        baseline_interval=share_interval(round(scores.baseline * scores.count), scores.count),
        candidate_interval=share_interval(round(scores.candidate * scores.count), scores.count),
        identical=sum(b.reply == c.reply for b, c in pairs) / len(pairs),
        unreadable={
            "baseline": sum(one.unreadable for one in before),
            "candidate": sum(one.unreadable for one in after),
        },
    )
