"""What counts as a fault of a soak."""

import pytest

from evals.serving.asking import Reply, differences
from evals.soak import outcome
from evals.soak.memory import Sample

BOMB = "PNG that claims 60000x60000"


def answer(kind, status, expected=200, right=None, answered="A", milliseconds=10):
    return {
        "kind": kind,
        "status": status,
        "expected": expected,
        "right": right,
        "answered": answered,
        "milliseconds": milliseconds,
    }


def answer_faults(answers, due=None):
    """Of these answers among 20 right ones."""
    answers = [*answers, *[answer("image", 200, right="A")] * 20]
    return outcome.answer_faults(answers, outcome.kinds(answers), due or len(answers))


def memory(mib_per_hour, minutes=30):
    return [
        Sample(float(second), {"server": 2000 + mib_per_hour * second / 3600})
        for second in range(0, 60 * minutes, 5)
    ]


def test_answers_as_expected_are_no_fault():
    assert answer_faults([answer("0x0 image", 400, expected=400, answered=None)]) == []


@pytest.mark.parametrize("status", [0, 400, 500])
def test_a_failed_well_formed_request_is_a_fault(status):
    (fault,) = answer_faults([answer("video", status, answered=None)])
    assert fault == f"video: {status or 'none'}: 1, expected 200"


@pytest.mark.parametrize("status", [0, 200, 422, 500])
def test_a_status_other_than_that_of_stock_is_a_fault(status):
    (fault,) = answer_faults([answer("0x0 image", status, expected=400)])
    assert fault.startswith("0x0 image: ")


def test_a_status_500_of_stock_is_named_but_no_fault_of_the_extension():
    answers = [answer(BOMB, 500, expected=500, answered=None)]
    assert answer_faults(answers) == []
    assert outcome.stock_oddities(outcome.kinds(answers)) == [f"{BOMB}: stock answers 500"]


def test_an_unusual_request_may_be_answered_or_refused_by_stock():
    answers = [answer("1x1 image", 200), answer("20:1 image", 500, expected=500)]
    assert outcome.stock_oddities(outcome.kinds(answers)) == []


def test_wrong_answers_are_a_fault():
    (fault,) = answer_faults([answer("image", 200, right="B")] * 20)
    assert fault == "only 50% of the answers are right"


def test_an_answer_without_a_completion_is_a_fault():
    (fault,) = answer_faults([answer("text", 200, answered=None)])
    assert fault == "1 answers of status 200 are no completions"


def test_a_server_that_does_not_keep_up_is_a_fault():
    (fault,) = answer_faults([], due=100)
    assert fault == "20 requests were answered, 100 were due"


def test_a_kind_that_never_came_is_a_fault_of_a_long_soak():
    count = outcome.ENOUGH
    (fault,) = answer_faults([answer("image", 200, right="A")] * count, due=count)
    assert fault.startswith("not asked: 0x0 image, ")


def test_times_are_those_of_the_kind():
    answers = [answer("text", 200, milliseconds=n) for n in range(1, 102)]
    (row,) = outcome.kinds([*answers])
    assert (row["p50_ms"], row["p95_ms"]) == (51, 96)


def test_a_reply_must_have_the_tokens_of_stock_and_be_as_likely():
    stock = {"image": Reply("A", ("A",), (-0.10,), 9)}
    near, far = Reply("A", ("A",), (-0.11,), 9), Reply("A", ("A",), (-0.15,), 9)
    other = Reply("B", ("B",), (-0.10,), 9)
    assert differences(stock, {"image": near}) == []
    assert differences(stock, {"image": far}) == ["image: log-probabilities differ by 0.050"]
    assert differences(stock, {"image": other}) == ["image: 'B', stock says 'A'"]


def test_memory_that_grows_is_a_fault_of_a_long_soak():
    assert outcome.memory_faults(memory(5), minutes=30) == []
    assert outcome.memory_faults(memory(500), minutes=30) == ["memory grows by 500 MiB/h"]
    assert outcome.memory_faults(memory(500), minutes=1) == []


def test_memory_that_shrinks_is_no_fault():
    assert outcome.memory_faults(memory(-500), minutes=30) == []


def test_a_process_that_ended_is_a_fault():
    begin = Sample(0.0, {"server": 1.0, "worker": 1.0})
    (fault,) = outcome.memory_faults([begin, Sample(5.0, {"server": 1.0})], minutes=1)
    assert fault == "ended: worker"
