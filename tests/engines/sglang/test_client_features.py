"""Images that clients have processed themselves, where SGLang sends images as uint8."""

import pytest

from evals import checkpoints
from tests.engines.limits import slow, with_pixels
from tests.engines.sglang.offline import run

PIXELS = {"ENGINE_EXT": "pixels"}
TAKEN = ["normalised", "raw"]
REFUSED = {
    "half as wide": "in torch.float32",
    "whole numbers": "in torch.uint8",
    "of three dimensions": "in torch.float32",
}
# SGLang returns what is not as wide as it expects as embeddings for one, and merges two rows in
# the other's projection.
FAMILIES = ["qwen2_5_vl", pytest.param("qwen3_vl", marks=slow)]

pytestmark = with_pixels


@pytest.fixture(scope="module", params=FAMILIES)
def replies(request, served, say):
    """An engine's to features, and stock's to the same image over HTTP."""
    family = request.param
    say(f"SGLang, {family}: an engine with pixels (30 s)")
    steps = [["processed", kind] for kind in (*TAKEN, *REFUSED, *TAKEN)]
    found = run(family, str(checkpoints.path(family)), steps, **PIXELS)
    return found, served(family, "off").replies["image"]


def test_those_of_a_processor_are_answered_as_stock_answers_the_image(replies):
    found, stock = replies
    for reply in (*found[: len(TAKEN)], *found[-len(TAKEN) :]):  # before an error, and after
        count = len(reply["tokens"])
        assert tuple(reply["tokens"]) == stock.tokens[:count]
        assert tuple(reply["logprobs"]) == tuple(stock.logprobs[:count])
        assert reply["prompt tokens"] == stock.prompt_tokens


def test_others_are_errors_that_name_what_was_found_and_expected(replies):
    found, _ = replies
    for reply, said in zip(found[len(TAKEN) :], REFUSED.values(), strict=False):
        assert said in reply["error"]
        assert "normalised in floating point, or (N, " in reply["error"]
