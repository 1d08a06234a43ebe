"""Images as raw pixels, on the stock command of the engine: the same answers as without."""

import pytest

from tests.engines.answers import assert_same_tokens, prefixes_of_sglang
from tests.engines.limits import NAME, PIXELS_TOLERANCE, with_pixels
from tests.engines.served import FLOATS, WITH_PIXELS

DIFFERENCE = {"vllm": 0.0, "sglang": PIXELS_TOLERANCE}
"""Of log-probabilities."""

pytestmark = with_pixels


@pytest.fixture(scope="module", params=WITH_PIXELS)
def arms(request, served):
    """A stock server, and one with the feature."""
    return {candidate: served(request.param, candidate) for candidate in ("off", "pixels")}


@pytest.mark.shows("features", "raw pixels, {arms}")
def test_pixels_change_no_answer(arms, record_property):
    on, off = arms["pixels"].replies, arms["off"].replies
    assert_same_tokens(on, off)
    for name, reply in on.items():
        likely = pytest.approx(off[name].logprobs, rel=0, abs=DIFFERENCE[NAME])
        assert reply.logprobs == likely, name
    record_property("found", f"log-probabilities at most {DIFFERENCE[NAME]:g} apart")


@pytest.mark.skipif(NAME != "sglang", reason="vLLM's log does not say it")
def test_requests_find_in_the_cache_of_prefixes_what_they_find_on_stock(arms):
    found, expected = (prefixes_of_sglang(arms[one].log) for one in ("pixels", "off"))
    assert found == expected


def test_the_process_that_holds_the_model_says_so(arms):
    (line,) = arms["pixels"].lines
    assert "pixels" in line["features"]
    assert len(line["modules"]) == 1
    assert "engine_ext: images are sent as uint8" in arms["pixels"].log
    if NAME == "sglang":
        assert "engine_ext: videos are sent as uint8" in arms["pixels"].log
