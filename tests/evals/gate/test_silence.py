"""Whole runs against servers that say nothing, think to the end, fail, or want a key."""

import pytest

from evals.checkpoints.mmmu import dataset
from tests.evals.gate.replies import ANSWER, replies
from tests.evals.gate.test_runs import FAMILY, gate

COUNT = 20
slow = pytest.mark.slow


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    """Of one right answer, so that whatever says A is right."""
    chosen = dataset(FAMILY).filter(lambda answer: answer == "A", input_columns=["answer"])
    file = tmp_path_factory.mktemp("silence") / "questions.parquet"
    chosen.select(range(COUNT)).to_parquet(file)
    return file


def run(out, questions, baseline, candidate, *given, key=None):
    """What came of it, and what the candidate was asked."""
    with replies(baseline, key) as (before, _), replies(candidate, key) as (after, asked):
        urls = ["--baseline-url", before, "--candidate-url", after, "--trust-servers"]
        asks = ["--dataset", questions, "--smoke", "--concurrency", 1]
        return *gate(out, *urls, *asks, *given), asked


def answers(_):
    return ANSWER


SILENT = {
    "empty": {"content": ""},
    "null, and thoughts beside it": {"content": None, "reasoning_content": "A or B or"},
    "thoughts that do not end": {"content": "<think>It is A or B or"},
}


@slow
@pytest.mark.parametrize("how", SILENT)
def test_two_servers_that_are_silent_alike_do_not_pass(tmp_path, questions, how):
    code, said, report, _ = run(tmp_path, questions, *[lambda _: SILENT[how]] * 2)
    assert (code, report["verdict"]) == (2, "INVALID"), said
    for name in ("baseline", "candidate"):
        assert (
            f"{name} gave no answer to {COUNT} of {COUNT} questions ({COUNT} replies empty" in said
        )
        assert report["servers"][name]["empty"] == COUNT
    assert "--no-thinking" in said


@slow
def test_a_candidate_that_is_silent_at_times_does_not_pass(tmp_path, questions):
    half = run(tmp_path / "a", questions, answers, lambda n: {"content": "A" if n % 2 else ""})
    assert half[0] == 2
    assert f"candidate gave no answer to {COUNT // 2} of {COUNT} questions" in half[1]
    # What it may be silent to is still counted as lost.
    given = ["--max-unanswered", 0.5]
    half = run(
        tmp_path / "b", questions, answers, lambda n: {"content": "A" if n % 2 else ""}, *given
    )
    assert (half[0], half[2]["verdict"], half[2]["overall"]["lost"]) == (1, "FAIL", COUNT // 2)


@slow
def test_servers_that_think_first_pass_by_what_they_answer(tmp_path, questions):
    told = {"content": "B, C or D</think>A"}
    given = ["--no-thinking", "--max-new-tokens", 64]
    code, said, report, asked = run(tmp_path, questions, lambda _: told, lambda _: told, *given)
    assert (code, report["overall"]["baseline"]) == (0, 1), said
    assert all(one["chat_template_kwargs"] == {"enable_thinking": False} for one in asked)


@slow
def test_a_server_that_fails_each_question_once_does_not_pass(tmp_path, questions):
    """openai's client would ask it again."""
    fails = run(tmp_path, questions, lambda n: ANSWER if n % 2 else None, answers)
    assert (fails[0], fails[2]["verdict"]) == (2, "INVALID")
    assert "a request failed: Error code: 500" in fails[1]


@slow
def test_a_key_goes_with_every_request(tmp_path, questions, monkeypatch):
    code, said, report, _ = run(tmp_path / "a", questions, answers, answers, key="secret")
    assert (code, report["verdict"]) == (2, "INVALID")
    assert "status 401, the key in OPENAI_API_KEY is not the one it wants" in said
    monkeypatch.setenv("OTHER", "secret")
    given = ["--api-key-env", "OTHER"]
    code, said, report, _ = run(tmp_path / "b", questions, answers, answers, *given, key="secret")
    assert (code, report["overall"]["baseline"]) == (0, 1), said
