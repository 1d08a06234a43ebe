"""Several tokenizers, which load no plugins: answers are stock's.

What each has is shown by `test_processes`: the log of a worker says nothing at info level.
"""

import pytest

from evals import checkpoints
from evals.asking import ask
from evals.engines import SGLANG
from evals.servers import cpu_server
from tests.engines.limits import VERSION, slow
from tests.engines.requests import conversations

pytestmark = [slow, pytest.mark.skipif(VERSION < (0, 5, 21), reason="tried on newer ones")]

FAMILY, WORKERS, ROUNDS = "qwen2_5_vl", 2, 6


@pytest.mark.shows("layouts", "two tokenizers")
def test_answers_are_stocks(tmp_path, served, say, record_property):
    say("SGLang, two tokenizers (1 min)")
    log, asked = tmp_path / "log", conversations(FAMILY)
    with cpu_server(
        SGLANG, checkpoints.path(FAMILY), log, environ={}, tokenizer_worker_num=WORKERS
    ) as server:
        found = [
            {name: ask(server.client(), server.model, content) for name, content in asked.items()}
            for _ in range(ROUNDS)  # connections are spread over the workers
        ]
    stock = served(FAMILY, "off").replies
    for replies in found:
        assert replies == {name: stock[name] for name in replies}
    record_property("found", "as stock")
