"""Two valid arms side by side: by subject, overall, and every question whose score changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evals.gate.samples import Sample
from evals.gate.statistics import Paired, paired

OVERALL = "all"


@dataclass(frozen=True)
class Pair:
    """A question and both replies to it."""

    baseline: Sample
    candidate: Sample

    @property
    def subject(self) -> str:
        return self.baseline.subject

    @property
    def is_identical(self) -> bool:
        """To the letter."""
        return self.baseline.reply == self.candidate.reply

    @property
    def is_flipped(self) -> bool:
        return self.baseline.score != self.candidate.score


@dataclass(frozen=True)
class Row:
    """The questions of one subject, or all of them.

    Args:
        identical: share of replies that are the same to the letter.
        unreadable: replies of each arm from which no option could be read.
    """

    subject: str
    scores: Paired
    identical: float
    unreadable: tuple[int, int]


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
    names = sorted({pair.subject for pair in pairs})
    return Comparison(
        overall=_row(OVERALL, pairs, max_drop),
        subjects=tuple(
            _row(name, [pair for pair in pairs if pair.subject == name], max_drop) for name in names
        ),
        flipped=tuple(pair for pair in pairs if pair.is_flipped),
        count_differing=sum(not pair.is_identical for pair in pairs),
    )


def _row(subject: str, pairs: Sequence[Pair], max_drop: float) -> Row:
    before = [pair.baseline for pair in pairs]
    after = [pair.candidate for pair in pairs]
    return Row(
        subject=subject,
        scores=paired([one.score for one in before], [one.score for one in after], max_drop),
        identical=sum(pair.is_identical for pair in pairs) / len(pairs),
        unreadable=(sum(s.unreadable for s in before), sum(s.unreadable for s in after)),
    )
