"""Images that clients have processed themselves, where stills travel as raw pixels."""

import pytest

from evals import checkpoints
from tests.engines.limits import OFF, PIXELS_TOLERANCE, slow, with_pixels
from tests.engines.sglang.offline import run

PIXELS = {"ENGINE_EXT": "linear,pixels"}
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
def replies(request, say):
    family = request.param
    model = str(checkpoints.path(family))
    say(f"SGLang, {family}: an engine with raw pixels, and one of stock (30 s each)")
    steps = [["processed", kind] for kind in (*TAKEN, *REFUSED, *TAKEN)]
    found = run(family, model, steps, **PIXELS)
    (stock,) = run(family, model, [["processed", "normalised"]], **OFF)
    return found, stock


def test_those_of_a_processor_are_answered_as_stock_answers_them(replies):
    found, stock = replies
    for reply in (*found[: len(TAKEN)], *found[-len(TAKEN) :]):  # before an error, and after
        assert reply["tokens"] == stock["tokens"]
        assert reply["logprobs"] == pytest.approx(stock["logprobs"], abs=PIXELS_TOLERANCE)


def test_others_are_errors_that_name_what_was_found_and_expected(replies):
    found, _ = replies
    for reply, said in zip(found[len(TAKEN) :], REFUSED.values(), strict=False):
        assert said in reply["error"]
        assert "normalised in floating point, or (N, " in reply["error"]
