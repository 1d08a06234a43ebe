"""Stills as raw pixels, on the stock command of the engine: the same answers as without."""

import pytest

from tests.engines.answers import assert_same_tokens, prefixes_of_sglang
from tests.engines.limits import NAME, PIXELS_TOLERANCE, with_pixels
from tests.engines.served import WITH_PIXELS

pytestmark = with_pixels


@pytest.fixture(scope="module", params=WITH_PIXELS)
def arms(request, served):
    """A stock server, and one with the feature."""
    return {candidate: served(request.param, candidate) for candidate in ("off", "pixels")}


@pytest.mark.shows("features", "raw pixels, {arms}")
def test_pixels_change_no_answer(arms, record_property):
    on, off = arms["pixels"].replies, arms["off"].replies
    assert_same_tokens(on, off)
    away = {name: abs(reply.logprobs[0] - off[name].logprobs[0]) for name, reply in on.items()}
    furthest = max(away, key=away.get)
    far = f"first log-probability at most {away[furthest]:.1e} nats away ({furthest})"
    record_property("found", f"same tokens, {far}")
    assert away[furthest] <= PIXELS_TOLERANCE


@pytest.mark.skipif(NAME != "sglang", reason="vLLM's log does not say it")
def test_requests_find_in_the_cache_of_prefixes_what_they_find_on_stock(arms):
    found, expected = (prefixes_of_sglang(arms[one].log) for one in ("pixels", "off"))
    assert found == expected


def test_the_process_that_holds_the_model_says_so(arms):
    (line,) = arms["pixels"].lines
    assert "pixels" in line["features"]
    (module,) = line["modules"]
    assert module["takes_pixels"] is True
    assert "stills travel as raw pixels" in arms["pixels"].log
    if NAME == "sglang":
        assert "clips travel as raw pixels" in arms["pixels"].log
