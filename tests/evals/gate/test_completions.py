"""What lmms-eval's client sends, once the gate's task is loaded."""

import pytest
from openai import InternalServerError, OpenAI
from openai.resources.chat.completions import Completions

from evals.gate import completions
from tests.evals.gate.replies import ANSWER, replies

QUESTION = {"messages": [{"role": "user", "content": "?"}], "model": "grpo1"}


@pytest.fixture
def ask(monkeypatch):
    """``ask(message_of, **payload)``: the reply's text, and what the server was asked."""
    monkeypatch.setattr(Completions, "create", Completions.create)  # put back afterwards
    completions.replace(max_tokens=64)

    def of(message_of, **payload):
        with replies(message_of) as (url, asked), OpenAI(base_url=url, api_key="none") as client:
            try:
                response = client.chat.completions.create(**QUESTION, **payload)
            except InternalServerError as error:
                return error, asked
            return response.choices[0].message.content, asked

    return of


def test_a_request_that_fails_is_not_sent_again(ask):
    found, asked = ask(lambda number: ANSWER if number else None)
    assert isinstance(found, InternalServerError)
    assert len(asked) == 1


def test_a_model_named_as_one_of_openais_is_asked_as_any_other(ask):
    """As lmms-eval 0.7.3 asks o1."""
    found, (asked,) = ask(lambda _: ANSWER, max_completion_tokens=9)
    assert found == "A"
    assert (asked["temperature"], asked["max_tokens"]) == (0, 64)
    assert "max_completion_tokens" not in asked


def test_a_reply_of_thoughts_alone_is_no_answer(ask):
    found, _ = ask(lambda _: {"content": None, "reasoning": "A or"}, max_tokens=64)
    assert found == "<think>A or"


def test_the_task_may_be_imported_again(ask):
    before = Completions.create
    completions.replace(max_tokens=64)
    assert Completions.create is before
