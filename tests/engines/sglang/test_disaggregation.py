"""An encoder and a language model on two servers: pixels stay out of it, on either side."""

import pytest

from engine_ext import status
from evals.serving import status_lines
from tests.engines.limits import OFF, slow, with_pixels
from tests.engines.sglang.disaggregated import ENCODER, FAMILY, LANGUAGE, answers

PIXELS = {"ENGINE_EXT": "linear,mrope,pixels"}
AT = {
    "both servers": (PIXELS, PIXELS),
    "the language model's": (OFF, PIXELS),
    "the encoder's": (PIXELS, OFF),
}
"""Switches of the server that encodes, and of the one that requests come to."""

pytestmark = [slow, with_pixels]


@pytest.fixture(scope="module")
def stock(tmp_path_factory, say):
    say(f"SGLang, {FAMILY}, an encoder and a language model, stock (80 s)")
    return answers(tmp_path_factory.mktemp("stock"), OFF, OFF)


@pytest.mark.shows("layouts", "encoder disaggregation, pixels at {servers}")
@pytest.mark.parametrize("servers", AT)
def test_answers_are_those_of_stock(servers, stock, tmp_path, say):
    say(f"SGLang, {FAMILY}, an encoder and a language model, pixels at {servers} (80 s)")
    assert answers(tmp_path, *AT[servers]) == stock
    lines = status_lines.of_all(tmp_path / LANGUAGE / "status.jsonl")
    models = [line for line in lines if line["role"] == status.MODEL]
    senders = [line for line in lines if line["role"] == status.SENDER]
    count = int(AT[servers][1] is PIXELS)
    assert [one["modules"] + one["left_alone"] for one in models] == [[]] * count  # no tower
    assert [one["sends"] for one in senders] == [[]] * count
    assert all("for text alone" in one["as_before"]["image"] for one in senders)
    encoding = status_lines.of_models(tmp_path / ENCODER / "status.jsonl")
    assert [len(one["modules"]) for one in encoding] == [1] * (AT[servers][0] is PIXELS)
