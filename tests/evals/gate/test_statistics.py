"""Every figure against another library's, or against its own definition by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evals.gate.statistics import detectable_drop, paired, share_interval

SCORES = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=30, max_size=300)


def split(pairs):
    before, after = zip(*pairs, strict=True)
    return [float(one) for one in before], [float(one) for one in after]


def arms(count, lost, won):
    before = [1.0] * lost + [0.0] * won + [1.0] * (count - lost - won)
    after = [0.0] * lost + [1.0] * won + [1.0] * (count - lost - won)
    return before, after


@given(SCORES)
def test_counts_and_means_are_those_of_the_pairs(pairs):
    before, after = split(pairs)
    found = paired(before, after, 0.01)
    assert found.lost == sum(b > a for b, a in zip(before, after, strict=True))
    assert found.won == sum(b < a for b, a in zip(before, after, strict=True))
    assert found.difference == pytest.approx(np.mean(after) - np.mean(before))
    assert found.difference == pytest.approx((found.won - found.lost) / found.count)


@given(SCORES)
def test_mcnemar_is_an_exact_binomial_test_of_lost_against_won(pairs):
    found = paired(*split(pairs), 0.01)
    if found.lost + found.won:
        expected = stats.binomtest(found.lost, found.lost + found.won).pvalue
        assert found.mcnemar_p == pytest.approx(expected)
    else:
        assert found.mcnemar_p == 1


@given(SCORES)
def test_with_many_changes_interval_and_drop_are_those_of_a_t_test(pairs):
    before, after = split(pairs)
    found = paired(before, after, 0.05)
    if found.lost + found.won < 10 or found.lost == found.count or found.won == found.count:
        return
    differences = np.subtract(after, before)
    interval = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert found.interval == pytest.approx(tuple(interval))
    expected = stats.ttest_1samp(differences, -0.05, alternative="greater").pvalue
    assert found.drop_p == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (3, 1), (0, 9)])
def test_with_few_changes_the_interval_is_exact(lost, won):
    found = paired(*arms(400, lost, won), 0.01)
    low = [stats.binomtest(k, 400).proportion_ci(0.975, "exact") for k in (lost, won)]
    assert found.interval == pytest.approx((low[1].low - low[0].high, low[1].high - low[0].low))
    assert found.method.startswith("exact")


def test_without_a_change_a_small_run_excludes_no_drop_and_a_large_one_does():
    """0.99 ** 298 is above 5 %, 0.99 ** 299 below."""
    assert paired(*arms(298, 0, 0), 0.01).drop_p == pytest.approx(0.99**298)
    assert paired(*arms(298, 0, 0), 0.01).drop_p > 0.05 > paired(*arms(299, 0, 0), 0.01).drop_p


def test_a_drop_as_large_as_the_limit_passes_once_in_twenty_runs():
    rng = np.random.default_rng(0)
    passed = 0
    for _ in range(400):
        draws = rng.choice([-1.0, 1.0, 0.0], size=600, p=[0.07, 0.05, 0.88])
        passed += paired(draws < 0, draws > 0, 0.02).drop_p < 0.05
    assert 0.02 <= passed / 400 <= 0.09


def test_the_detectable_drop_is_found_in_four_of_five_runs():
    count, changed = 900, 0.05
    drop = detectable_drop(round(changed * count), count)
    spread = detectable_drop(round(changed * count), count) / 2.4876 * np.sqrt(count)
    lost = (spread**2 + drop) / 2  # shares that have this spread and this drop
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(400):
        draws = rng.choice([-1.0, 1.0, 0.0], size=count, p=[lost, lost - drop, 1 - 2 * lost + drop])
        found += stats.ttest_1samp(draws, 0, alternative="less").pvalue < 0.05
    assert 0.74 <= found / 400 <= 0.87


@given(st.integers(10, 2000), st.floats(0, 1))
def test_more_changes_hide_a_larger_drop_and_more_questions_show_a_smaller_one(count, share):
    changed = int(share * count)
    assert detectable_drop(changed, count) <= detectable_drop(min(changed + 5, count), count)
    assert detectable_drop(changed, 4 * count) < detectable_drop(changed, count)


def test_an_interval_of_a_share_is_wilsons():
    expected = stats.binomtest(37, 50).proportion_ci(0.95, "wilson")
    assert share_interval(37, 50) == pytest.approx((expected.low, expected.high))


def test_scores_that_do_not_pair_up_are_refused():
    with pytest.raises(ValueError, match="found 2 and 1 scores"):
        paired([1.0, 0.0], [1.0], 0.01)
    with pytest.raises(ValueError, match="found 0 and 0 scores"):
        paired([], [], 0.01)
