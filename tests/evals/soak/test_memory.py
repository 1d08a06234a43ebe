"""The line through samples of memory."""

import numpy as np
import pytest

from evals.soak.memory import SETTLING, Sample, growth, thinned

HALF_AN_HOUR = 1800


def samples(mib, every=5):
    """A sample each ``every`` seconds of half an hour, of a server and a process that stays."""
    return [
        Sample(float(second), {"server": float(mib(second)), "other": 10.0})
        for second in range(0, HALF_AN_HOUR + 1, every)
    ]


def test_a_steady_growth_is_found_exactly():
    grown = growth(samples(lambda second: 2000 + 72 * second / 3600))
    assert grown.mib_per_hour == pytest.approx(72)
    assert grown.standard_error == pytest.approx(0, abs=1e-6)
    assert grown.fitted_start_mib == pytest.approx(2010 + 72 * SETTLING / 2)


@pytest.mark.parametrize("slope", [0, 50])
def test_noise_is_in_the_standard_error(slope):
    rng = np.random.RandomState(0)
    off = []
    for _ in range(200):
        noisy = samples(lambda second: 2000 + slope * second / 3600 + rng.normal(0, 20))
        grown = growth(noisy)
        off.append((grown.mib_per_hour - slope) / grown.standard_error)
    assert np.std(off) == pytest.approx(1, abs=0.15)
    assert np.mean(off) == pytest.approx(0, abs=0.3)


def test_what_comes_before_memory_settles_does_not_count():
    edge = SETTLING * HALF_AN_HOUR
    grown = growth(samples(lambda second: 2000 if second >= edge else second))
    assert grown.mib_per_hour == pytest.approx(0, abs=1e-6)


def test_each_process_has_a_growth_of_its_own():
    both = samples(lambda second: 2000 + 36 * second / 3600)
    assert growth(both, "server").mib_per_hour == pytest.approx(36)
    assert growth(both, "other").mib_per_hour == pytest.approx(0, abs=1e-6)


def test_three_samples_are_too_few():
    assert growth([]) is None
    assert growth([Sample(second, {"server": 1.0}) for second in (8.0, 9.0, 10.0)]) is None


def test_thinned_samples_keep_both_ends():
    many = samples(lambda second: second)
    few = thinned(many)
    assert len(few) == 120
    assert (few[0], few[-1]) == (many[0], many[-1])
    assert thinned(many[:50]) == many[:50]
