import json

import pytest

from evals.gate.samples import BadSamples, answer, read

MMMU = {
    "doc_id": 3,
    "target": "B",
    "filtered_resps": "B",
    "token_counts": [{"input_tokens": 81, "output_tokens": 2}],
    "doc_hash": "the same for all",
    "mmmu_acc": {"id": "validation_Art_3", "answer": "B", "parsed_pred": ["B"]},
    "gate": {
        "digest": "abc",
        "id": "validation_Art_3",
        "subject": "Art",
        "score": 1.0,
        "unreadable": False,
        "chance": 0.25,
    },
}
OTHER = {
    "doc_id": 0,
    "input": "What is it?",
    "target": "cat",
    "resps": ["A. cat"],
    "filtered_resps": "A",
    "token_counts": [None],
    "exact_match": 0.0,
}


@pytest.fixture
def written(tmp_path):
    def write(*rows):
        file = tmp_path / "samples.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return file

    return write


def test_a_sample_of_mmmu_has_the_gates_own_score_and_digest(written):
    (found,) = read(written(MMMU))
    assert (found.position, found.name, found.subject) == (3, "validation_Art_3", "Art")
    assert (found.question, found.score, found.reply) == ("abc", 1.0, "B")
    assert (found.prompt_tokens, found.reply_tokens, found.failure) == (81, 2, None)
    assert found.chance == 0.25
    assert not found.is_no_answer(limit=8)


def test_a_sample_of_another_task_has_the_one_score_there_is(written):
    (found,) = read(written(OTHER))
    assert (found.score, found.reply, found.subject, found.prompt_tokens) == (
        0.0,
        "A. cat",
        "all",
        None,
    )


def test_questions_of_another_task_are_told_apart_by_text_and_target(written):
    rows = [OTHER, {**OTHER, "doc_id": 1, "target": "dog"}, {**OTHER, "doc_id": 2, "input": "Who?"}]
    assert len({one.question for one in read(written(*rows))}) == 3


def test_samples_come_in_the_order_of_the_questions(written):
    rows = [{**OTHER, "doc_id": 2}, {**OTHER, "doc_id": 0}, {**OTHER, "doc_id": 1}]
    assert [one.position for one in read(written(*rows))] == [0, 1, 2]


@pytest.mark.parametrize("field", ["resps", "filtered_resps"])
@pytest.mark.parametrize("text", ["[LMMS_EVAL_REQUEST_FAILED after", "[LMMS_EVAL_BUDGET_EXCEEDED]"])
def test_a_reply_that_never_came_is_a_failure(written, field, text):
    """lmms-eval 0.7.3 reads the choice D in the first."""
    (found,) = read(written({**OTHER, field: [text]}))
    assert found.failure == text


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "no samples"),
        ([{"doc_id": 1}], "line 1.*filtered_resps"),
        ([OTHER, {**OTHER, "another": 1.0}], "line 2.*name one with --score"),
        ([{**OTHER, "exact_match": "good"}], "line 1.*found the scores"),
    ],
)
def test_a_file_of_something_else_is_refused_by_line(written, rows, said):
    with pytest.raises(BadSamples, match=said):
        read(written(*rows))


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("B", "B"),
        ("<think>It is A or</think>\n\nB", "B"),
        ("It is A or</think>B", "B"),  # the template has begun the thinking
        ("<think>It is A or", ""),
        ("<think>It is A</think> ", ""),
        (" \n", ""),
    ],
)
def test_an_answer_is_what_follows_the_thinking(written, reply, said):
    assert answer(reply) == said
    (found,) = read(written({**OTHER, "resps": [reply]}))
    assert found.is_empty == (said == "")


def test_a_reply_of_nothing_is_empty(written):
    (found,) = read(written({**OTHER, "resps": [None], "filtered_resps": [None]}))
    assert found.is_empty


def test_a_reply_as_long_as_it_may_be_is_cut(written):
    (found,) = read(written(MMMU))
    assert (found.is_cut(2), found.is_cut(3)) == (True, False)
    assert found.is_no_answer(2)


def test_one_score_of_several_can_be_named(written):
    file = written({**OTHER, "relaxed": 1.0})
    assert read(file, "relaxed")[0].score == 1.0
    with pytest.raises(BadSamples, match=r"no score 'strict', found \['exact_match', 'relaxed'\]"):
        read(file, "strict")
