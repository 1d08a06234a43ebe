"""Images that clients have processed themselves, where SGLang sends images as uint8."""

import pytest

from evals import checkpoints
from tests.engines.limits import slow, with_pixels
from tests.engines.sglang.offline import run

PIXELS = {"ENGINE_EXT": "pixels"}
FAMILIES = ["qwen2_5_vl", pytest.param("qwen3_vl", marks=slow)]

pytestmark = with_pixels


@pytest.mark.parametrize("family", FAMILIES)
def test_they_are_answered_as_stock_answers_the_image(family, served, say):
    say(f"SGLang, {family}: an engine with pixels (30 s)")
    steps = [["processed", "normalised"]]
    (reply,) = run(family, str(checkpoints.path(family)), steps, **PIXELS)
    stock = served(family, "off").replies["image"]
    count = len(reply["tokens"])
    assert tuple(reply["tokens"]) == stock.tokens[:count]
    assert tuple(reply["logprobs"]) == tuple(stock.logprobs[:count])
    assert reply["prompt tokens"] == stock.prompt_tokens
