"""Images and videos sent as uint8, on the stock command of the engine: the answers of stock."""

import pytest

from tests.engines.answers import assert_same_tokens, prefixes_of_sglang
from tests.engines.limits import NAME, ON, with_pixels
from tests.engines.served import WITH_PIXELS

pytestmark = with_pixels

RESIZE = "resize" in ON["ENGINE_EXT"]
"""``TESTED_FEATURES`` can name it: images are sent as they were decoded then."""


@pytest.fixture(scope="module", params=WITH_PIXELS)
def arms(request, served):
    """A stock server, and one with the feature."""
    return {candidate: served(request.param, candidate) for candidate in ("off", "on")}


@pytest.mark.shows("features", f"{'resize' if RESIZE else 'pixels'}, {{arms}}")
def test_pixels_change_no_answer(arms, record_property):
    on, off = arms["on"].replies, arms["off"].replies
    assert_same_tokens(on, off)
    for name, reply in on.items():
        assert reply.logprobs == off[name].logprobs, name
    record_property("found", "bit-identical to stock")


@pytest.mark.skipif(NAME != "sglang", reason="vLLM's log does not say it")
def test_requests_find_in_the_cache_of_prefixes_what_they_find_on_stock(arms):
    found, expected = (prefixes_of_sglang(arms[one].log) for one in ("on", "off"))
    assert found == expected


@pytest.mark.skipif(NAME != "sglang", reason="vLLM knows an item by what came in")
def test_an_image_and_a_clip_of_the_same_bytes_are_answered_as_on_stock(arms):
    """And they share in the cache what they share on stock, by the test above."""
    found, expected = (arms[one].steps.get("one colour") for one in ("on", "off"))
    assert found == expected


@pytest.mark.skipif(NAME != "sglang", reason="vLLM knows an item by what came in")
def test_pictures_that_come_again_are_found_as_on_stock_and_changed_ones_are_not(arms):
    from tests.engines.sglang.repeated import OTHERS, SAME

    found, expected = (arms[one].steps["repeated"] for one in ("on", "off"))
    assert found == expected
    for name, earlier in SAME.items():
        (reply, cached), (first, before) = found[name], found[earlier]
        assert cached > before + reply.prompt_tokens // 2, name
        assert reply.tokens == first.tokens, name
    assert all(found[name][1] < found[name][0].prompt_tokens // 2 for name in OTHERS)


@pytest.mark.skipif(NAME != "sglang", reason="vLLM knows an item by what came in")
def test_pictures_that_a_router_names_are_found_by_these_names_as_on_stock(arms):
    from tests.engines.sglang.named import FOUND, NOT_FOUND

    found, expected = (arms[one].steps.get("named") for one in ("on", "off"))
    if expected is None:
        pytest.skip("this SGLang takes no names, or ends at them")
    assert found == expected
    for names, are_found in ((FOUND, True), (NOT_FOUND, False)):
        for name in names:
            _, tokens, cached = found[name]
            assert (cached > tokens // 2) == are_found, name


@pytest.mark.skipif(NAME != "sglang", reason="vLLM refuses requests before the extension is asked")
def test_broken_pictures_are_refused_as_on_stock(arms):
    found, expected = (arms[one].steps["broken"] for one in ("on", "off"))
    assert found == expected


@pytest.mark.skipif(NAME != "sglang", reason="vLLM refuses requests before the extension is asked")
def test_one_pixel_and_a_long_strip_are_answered_as_on_stock(arms):
    found, expected = (arms[one].steps["unusual"] for one in ("on", "off"))
    assert found == expected


def test_the_processes_say_so(arms):
    (line,) = arms["on"].lines
    assert "pixels" in line["features"]
    assert len(line["modules"]) == ("linear" in line["features"])
    log = arms["on"].log
    if NAME == "sglang":
        assert "engine_ext: images are sent as uint8, one frame of each" in log
        assert "engine_ext: videos are sent as uint8" in log
    else:
        how = "as they were decoded" if RESIZE else "as one frame each"
        sent = f"engine_ext: images are sent {how}; a model without the extension refuses them"
        assert sent in log
