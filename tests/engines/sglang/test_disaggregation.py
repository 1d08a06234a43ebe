"""An encoder and a language model on two servers: pixels stay out of it, on either side."""

from contextlib import contextmanager

import pytest

from engine_ext import status
from evals import checkpoints
from evals.checkpoints.questions import conversations
from evals.serving.asking import ask
from evals.serving.engines import SGLANG
from evals.serving.servers import cpu_server
from tests.engines.limits import OFF, slow, with_pixels

FAMILY = "qwen2_5_vl"  # its model looks at the width of features
PIXELS = {"ENGINE_EXT": "linear,mrope,pixels"}
AT = {
    "both servers": (PIXELS, PIXELS),
    "the language model's": (OFF, PIXELS),
    "the encoder's": (PIXELS, OFF),
}
"""Switches of the server that encodes, and of the one that requests come to."""

pytestmark = [slow, with_pixels]


@contextmanager
def two_servers(folder, encoder, language):
    """The server that requests come to, beside one that encodes their images."""
    with one_server(folder / "encoder", encoder, encoder_only=True) as encodes:
        beside = {"language_only": True, "encoder_urls": encodes.url}
        with one_server(folder / "language", language, **beside) as server:
            yield server


def one_server(folder, switch, **settings):
    folder.mkdir(parents=True)
    environ = {**switch, status.VARIABLE: str(folder / "status.jsonl")}
    model = checkpoints.path(FAMILY)
    return cpu_server(SGLANG, model, folder / "log", environ=environ, **settings)


def answers(folder, encoder, language):
    with two_servers(folder, encoder, language) as server:
        client = server.client()
        asked = conversations(FAMILY, video=False)
        return {name: ask(client, server.model, content) for name, content in asked.items()}


@pytest.fixture(scope="module")
def stock(tmp_path_factory, say):
    say(f"SGLang, {FAMILY}, an encoder and a language model, stock (80 s)")
    return answers(tmp_path_factory.mktemp("stock"), OFF, OFF)


@pytest.mark.shows("layouts", "encoder disaggregation, pixels at {servers}")
@pytest.mark.parametrize("servers", AT)
def test_answers_are_those_of_stock(servers, stock, tmp_path, say):
    say(f"SGLang, {FAMILY}, an encoder and a language model, pixels at {servers} (80 s)")
    assert answers(tmp_path, *AT[servers]) == stock
    lines = status.read_all(tmp_path / "language" / "status.jsonl")
    models = [line for line in lines if line["role"] == status.MODEL]
    senders = [line for line in lines if line["role"] == status.SENDER]
    count = int(AT[servers][1] is PIXELS)
    assert [one["modules"] + one["left_alone"] for one in models] == [[]] * count  # no tower
    assert [one["sends"] for one in senders] == [[]] * count
    assert all("for text alone" in one["as_before"]["image"] for one in senders)
    encoding = status.read(tmp_path / "encoder" / "status.jsonl")
    assert [len(one["modules"]) for one in encoding] == [1] * (AT[servers][0] is PIXELS)
