"""Keys and proxies, against a server that wants a key."""

import pytest

from evals.gate.arms import ArmFailed, remote
from evals.gate.client import is_remote
from tests.evals.gate.replies import ANSWER, replies

NOWHERE = "http://127.0.0.1:9"  # nothing listens to discard


@pytest.fixture
def server():
    with replies(lambda _: ANSWER, key="secret") as (url, _):
        yield url


def model_of(url, key="GATE_KEY"):
    with remote(url, None, key) as endpoint:
        return endpoint.model


def test_a_server_of_this_machine_is_asked_with_the_key_and_without_a_proxy(server, monkeypatch):
    monkeypatch.setenv("GATE_KEY", "secret")
    monkeypatch.setenv("HTTP_PROXY", NOWHERE)
    assert model_of(server) == "thinker"
    assert model_of(f"{server}/v1/") == "thinker"


def test_a_remote_server_is_asked_through_the_proxy(server, monkeypatch):
    monkeypatch.setenv("GATE_KEY", "secret")
    monkeypatch.setenv("HTTP_PROXY", server)
    assert model_of("http://gate.invalid:8000") == "thinker"


def test_where_the_model_of_a_server_lies_is_kept_as_it_tells_it(server, monkeypatch):
    monkeypatch.setenv("GATE_KEY", "secret")
    with remote(server, None, "GATE_KEY") as endpoint:
        assert endpoint.environment["model_path"] == "/models/thinker"


@pytest.mark.parametrize(
    ("url", "goes_by_proxy"),
    [
        ("http://localhost:8000", False),
        ("https://127.0.0.1:8000/v1", False),
        ("HTTP://[::1]:8000", False),
        ("http://localhost.corp:8000", True),
        ("http://127.0.0.1.corp", True),
        ("http://localhost@gate.corp", True),
        ("http://[::1", True),
    ],
)
def test_only_the_host_of_a_url_says_whether_it_is_this_machine(url, goes_by_proxy):
    assert is_remote(url) is goes_by_proxy


@pytest.mark.parametrize(("value", "said"), [(None, "is not set"), ("other", "is not the one it")])
def test_a_wrong_key_is_said_in_one_line(server, monkeypatch, value, said):
    monkeypatch.delenv("GATE_KEY", raising=False)
    if value:
        monkeypatch.setenv("GATE_KEY", value)
    with pytest.raises(ArmFailed, match=f"status 401, the key in GATE_KEY {said}") as raised:
        model_of(server)
    assert "\n" not in str(raised.value)
