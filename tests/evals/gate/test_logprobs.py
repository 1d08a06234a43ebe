import json
import math

import httpx
import pytest

from evals.gate.course import probed
from evals.gate.logprobs import Compared, First, ProbeFailed, ask, compare, faults

PROBE = {"kind": "video", "position": 3, "messages": []}


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
    with pytest.raises(ProbeFailed, match="found 1 and 1 probes, expected the same"):
        compare([image(0, A=-0.1)], [image(1, A=-0.1)])


def asked(top):
    """What comes of a server whose ``top_logprobs`` are given."""
    said = json.dumps({"choices": [{"logprobs": {"content": [{"top_logprobs": top}]}}]}, indent=1)
    answer = httpx.MockTransport(lambda _: httpx.Response(200, text=said))
    with httpx.Client(transport=answer) as http:
        return ask([PROBE], http, "http://server/v1", {}, 1, lambda *_: None)


def test_finite_log_probabilities_are_read():
    assert asked([{"token": "A", "logprob": -0.1}]) == [First("video", 3, {"A": -0.1})]


@pytest.mark.parametrize(
    "top",
    [
        None,
        [],
        [{"token": "A", "logprob": None}],
        [{"token": "A", "logprob": math.nan}],
        [{"token": "A", "logprob": -0.1}, {"token": "B", "logprob": -math.inf}],
        [{"token": "A", "logprob": "-0.1"}],
        ["A"],
    ],
)
def test_what_is_no_log_probability_is_said_in_one_line(top):
    with pytest.raises(ProbeFailed, match=r"^the video about question 3: ") as raised:
        asked(top)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("line", ['{"kind": "image", "position": 0, "tokens": {"A": NaN}}', "[]"])
def test_stored_ones_are_held_to_the_same(tmp_path, line):
    (tmp_path / "logprobs.jsonl").write_text(line)
    with pytest.raises(ProbeFailed):
        probed(tmp_path)


def test_a_mean_that_is_no_number_is_a_fault():
    assert len(faults([Compared("image", 1, math.nan, math.nan, 1.0)], 0.02)) == 1
