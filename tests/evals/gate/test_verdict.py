import pytest

from evals.gate.statistics import paired
from evals.gate.verdict import Verdict, judge


def run(count, lost, won):
    same = [1.0] * (count - lost - won)
    return paired([1.0] * lost + [0.0] * won + same, [0.0] * lost + [1.0] * won + same, 0.01)


def test_the_same_answers_to_enough_questions_pass():
    judged = judge(run(720, 0, 0), 0.01, [])
    assert judged.verdict is Verdict.PASS
    assert judged.reasons == judged.warnings == ()


def test_a_loss_beyond_chance_fails_and_says_how_large_it_is():
    judged = judge(run(720, 40, 3), 0.01, [])
    assert judged.verdict is Verdict.FAIL
    assert "-0.0514, 40 lost, 3 won" in judged.reasons[0]


def test_a_loss_beyond_chance_fails_with_few_questions_too():
    assert judge(run(60, 30, 0), 0.01, []).verdict is Verdict.FAIL


def test_a_gain_is_no_failure():
    assert judge(run(720, 3, 40), 0.06, []).verdict is Verdict.PASS


def test_a_drop_that_cannot_be_excluded_fails():
    """35 lost net of 6000 are no loss beyond chance, yet too near to the limit."""
    assert judge(run(5000, 60, 40), 0.01, []).verdict is Verdict.PASS
    judged = judge(run(6000, 215, 180), 0.01, [])
    assert judged.verdict is Verdict.FAIL
    assert judged.reasons[0].startswith("a drop of 0.0100 is not excluded: -0.0058")


def test_too_few_questions_are_a_reason_or_a_warning():
    judged = judge(run(60, 0, 0), 0.01, [])
    assert judged.verdict is Verdict.INVALID
    assert "too few questions: of 60, with 0 changed" in judged.reasons[0]
    smoke = judge(run(60, 0, 0), 0.01, [], smoke=True)
    assert smoke.verdict is Verdict.PASS
    assert smoke.warnings == judged.reasons


@pytest.mark.parametrize("count", [720, 60])
def test_warnings_are_told_whatever_the_verdict(count):
    assert judge(run(count, 0, 0), 0.01, [], warnings=["at chance"]).warnings == ("at chance",)
    told = judge(run(60, 0, 0), 0.01, [], smoke=True, warnings=["at chance"]).warnings
    assert told[0] == "at chance"
    assert len(told) == 2


@pytest.mark.parametrize("overall", [None, run(720, 40, 0)])
def test_an_invalid_run_is_neither_passed_nor_failed(overall):
    judged = judge(overall, 0.01, ["the data set changed between the servers"])
    assert judged.verdict is Verdict.INVALID
    assert judged.reasons == ("the data set changed between the servers",)


def test_log_probabilities_that_moved_fail_a_run_whose_answers_did_not():
    judged = judge(run(720, 0, 0), 0.01, [], ["videos differ"])
    assert judged.verdict is Verdict.FAIL
    assert judged.reasons == ("videos differ",)
