"""A server that sleeps and is woken answers as before. With ``--enable-sleep-mode`` it gives memory
back meanwhile: on a CPU vLLM refuses that, with the extension in the same words."""

import httpx
import pytest

from evals import checkpoints
from evals.checkpoints.questions import conversations
from evals.serving.asking import ask
from evals.serving.engines import VLLM
from evals.serving.servers import ServerFailed, cpu_server
from tests.engines.limits import OFF, ON, settings, slow, with_pixels

pytestmark = [slow, with_pixels]

FAMILY = "qwen2_5_vl"
LEVELS = (1, 2)
"""Of sleep: weights are kept in host memory, or discarded."""
HAS_ENDPOINTS = {"VLLM_SERVER_DEV_MODE": "1"}


def server(log, switch, **given):
    model = checkpoints.path(FAMILY)
    return cpu_server(VLLM, model, log, environ=switch, **settings(FAMILY), **given)


def answers_and_after_each_sleep(log, switch):
    with server(log, {**switch, **HAS_ENDPOINTS}) as one:
        client, asked = one.client(), conversations(FAMILY)

        def answers():
            return {name: ask(client, one.model, content) for name, content in asked.items()}

        def post(path):
            httpx.post(f"{one.url}{path}", timeout=60, trust_env=False).raise_for_status()

        def is_asleep():
            return httpx.get(f"{one.url}/is_sleeping", trust_env=False).json()["is_sleeping"]

        found = [answers()]
        for level in LEVELS:
            post(f"/sleep?level={level}")
            assert is_asleep()
            post("/wake_up")
            assert not is_asleep()
            found.append(answers())
        return found


@pytest.mark.shows("layouts", "asleep and awake again, without giving memory back")
def test_a_server_that_is_woken_answers_as_before_and_as_stock(tmp_path, say):
    say("vLLM, asleep and awake again, stock and with the extension (1 min)")
    stock = answers_and_after_each_sleep(tmp_path / "stock", OFF)
    assert answers_and_after_each_sleep(tmp_path / "ours", ON) == stock
    assert stock == [stock[0]] * (1 + len(LEVELS))


def refusal(log, switch):
    with pytest.raises(ServerFailed), server(log, switch, enable_sleep_mode=True):
        pass
    (line,) = {line for line in log.read_text().splitlines() if "Sleep mode" in line}
    return line.partition(" [type")[0].strip()


@pytest.mark.shows("layouts", "sleep mode (--enable-sleep-mode)")
def test_sleep_mode_is_refused_on_a_cpu_in_the_words_of_stock(tmp_path, say, record_property):
    say("vLLM, --enable-sleep-mode, stock and with the extension (40 s)")
    stock = refusal(tmp_path / "stock", OFF)
    assert refusal(tmp_path / "ours", ON) == stock
    assert "not supported on current platform" in stock
    record_property("found", f"stock cannot here: {stock}")
