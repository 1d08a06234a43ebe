"""What two arms' scores on the same questions say about each other.

Everything is computed by statsmodels and scipy. Scores are paired by question: the differences
between questions, which are large, cancel, and what is left is what changed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
POWER = 0.8
FEW_CHANGES = 10
"""With fewer changed scores a normal approximation of their mean is not to be trusted."""


@dataclass(frozen=True)
class Paired:
    """Two arms on the same ``count`` questions; differences are candidate less baseline.

    Args:
        lost, won: questions whose score fell, and rose.
        interval: of the difference, 95 %.
        mcnemar_p: two-sided, exact: could lost and won be the same coin's sides?
        drop_p: one-sided, for "the drop is as large as the limit": small means that it is not.
        detectable_drop: the smallest drop that this many questions, of which this many changed,
            would have shown with a power of 80 %.
        method: how the interval and ``drop_p`` were found.
    """

    count: int
    baseline: float
    candidate: float
    difference: float
    lost: int
    won: int
    interval: tuple[float, float]
    mcnemar_p: float
    drop_p: float
    detectable_drop: float
    method: str


def paired(baseline: Sequence[float], candidate: Sequence[float], max_drop: float) -> Paired:
    """Compare scores in [0, 1] of the same questions in the same order.

    Raises:
        ValueError: no questions, or not as many in one arm as in the other.
    """
    if not len(baseline) or len(baseline) != len(candidate):
        raise ValueError(
            f"found {len(baseline)} and {len(candidate)} scores, expected as many and more than 0"
        )
    before, after = np.asarray(baseline, float), np.asarray(candidate, float)
    differences, count = after - before, len(before)
    lost, won = int((differences < 0).sum()), int((differences > 0).sum())
    if lost + won < FEW_CHANGES:
        method = "exact (Clopper-Pearson, binomial)"
        interval = _exact_interval(lost, won, count)
        # A drop of the limit needs at least that share of lost questions.
        drop_p = binomtest(lost, count, max_drop, alternative="less").pvalue
    else:
        method = "Student's t of paired differences"
        described = DescrStatsW(differences)
        interval = described.tconfint_mean(alpha=ALPHA)
        _, drop_p, _ = described.ttest_mean(-max_drop, alternative="larger")
    return Paired(
        count=count,
        baseline=float(before.mean()),
        candidate=float(after.mean()),
        difference=float(differences.mean()),
        lost=lost,
        won=won,
        interval=(float(interval[0]), float(interval[1])),
        mcnemar_p=float(mcnemar([[0, lost], [won, 0]], exact=True).pvalue),
        drop_p=float(drop_p),
        detectable_drop=detectable_drop(lost + won, count),
        method=method,
    )


def detectable_drop(changed: int, count: int) -> float:
    """The smallest mean drop a one-sided test at 5 % finds with a power of 80 %.

    The spread of the differences is that of the highest share of changed scores which is
    compatible with what was seen: a run without any change cannot promise that none would come.
    """
    if count < 2:
        return math.inf
    _, share = proportion_confint(changed, count, alpha=2 * ALPHA, method="beta")
    effect = TTestPower().solve_power(nobs=count, alpha=ALPHA, power=POWER, alternative="larger")
    return float(effect * math.sqrt(share))


def share_interval(successes: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    low, high = proportion_confint(successes, count, alpha=ALPHA, method="wilson")
    return float(low), float(high)


def _exact_interval(lost: int, won: int, count: int) -> tuple[float, float]:
    """Of won less lost: each share's own interval, 97.5 %, so that both hold at 95 %."""
    (lost_low, lost_high), (won_low, won_high) = (
        proportion_confint(each, count, alpha=ALPHA / 2, method="beta") for each in (lost, won)
    )
    return won_low - lost_high, won_high - lost_low
