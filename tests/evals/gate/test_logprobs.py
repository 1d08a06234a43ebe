import pytest

from evals.gate.logprobs import First, compare, faults


def image(position, **tokens):
    return First("image", position, tokens)


def test_the_difference_is_that_of_the_baselines_likeliest_token():
    (found,) = compare([image(0, A=-0.1, B=-2.4)], [image(0, A=-0.3, B=-1.4)])
    assert found.mean == found.largest == pytest.approx(0.2)
    assert found.same_token == 1


def test_a_token_that_is_gone_counts_as_likely_as_the_least_there_is():
    (found,) = compare([image(0, A=-0.1)], [image(0, B=-0.2, C=-5.1)])
    assert found.largest == pytest.approx(5.0)
    assert found.same_token == 0


def test_kinds_of_probe_are_compared_apart():
    before = [image(0, A=-0.1), First("video", 0, {"A": -0.1})]
    after = [image(0, A=-0.1), First("video", 0, {"A": -0.9})]
    found = compare(before, after)
    assert [one.kind for one in found] == ["image", "video"]
    (said,) = faults(found, 0.02)
    assert said.startswith("first-token log-probabilities of 1 videos differ by 0.8000 on")


def test_a_difference_of_rounding_is_no_fault():
    assert faults(compare([image(0, A=-0.10)], [image(0, A=-0.11)]), 0.02) == []


def test_other_probes_are_refused():
    with pytest.raises(ValueError, match="found 1 and 1 probes, expected the same"):
        compare([image(0, A=-0.1)], [image(1, A=-0.1)])
