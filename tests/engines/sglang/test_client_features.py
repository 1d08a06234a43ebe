"""Images that clients have processed themselves, where SGLang sends images as uint8."""

import pytest

from evals import checkpoints
from tests.engines.limits import OFF, VERSION, slow, with_pixels
from tests.engines.sglang.client_features import AS_THE_IMAGE, FORMS, OTHERWISE, REFUSED
from tests.engines.sglang.offline import run

PIXELS = {"ENGINE_EXT": "mrope,pixels"}
FAMILIES = ["qwen2_5_vl"]
LAST = "float32"
"""Asked again after all that was refused."""

pytestmark = [with_pixels, pytest.mark.skipif(VERSION < (0, 5, 21), reason="tried on newer ones")]


def replies(family, **environ):
    """What one engine says to each form, in turn."""
    steps = [["processed", form] for form in (*FORMS, LAST)]
    found = run(family, str(checkpoints.path(family)), steps, **environ)
    return dict(zip((*FORMS, "again"), found, strict=True))


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def ours(family, say):
    say(f"SGLang, {family}: an engine with pixels, {len(FORMS)} forms of an image (30 s)")
    return replies(family, **PIXELS)


@pytest.mark.parametrize("form", [*AS_THE_IMAGE, "again"])
def test_they_are_answered_as_stock_answers_the_image(form, ours, family, served):
    reply, stock = ours[form], served(family, "off").replies["image"]
    count = len(reply["tokens"])
    assert tuple(reply["tokens"]) == stock.tokens[:count]
    assert tuple(reply["logprobs"]) == tuple(stock.logprobs[:count])
    assert reply["prompt tokens"] == stock.prompt_tokens


@pytest.mark.parametrize("form", OTHERWISE)
def test_whatever_stock_takes_is_taken(form, ours):
    assert "error" not in ours[form]


@pytest.mark.parametrize("form", REFUSED)
def test_what_stock_refuses_is_refused_in_its_words(form, ours):
    _, said = REFUSED[form]
    assert ours[form]["error"].startswith(said)


@slow
@pytest.mark.shows("features", "images that the client has processed, {family}")
def test_every_form_is_answered_or_refused_as_by_stock(family, ours, say, record_property):
    say(f"SGLang, {family}: stock (30 s)")
    assert ours == replies(family, **OFF)
    record_property("found", f"{len(FORMS)} forms bit-identical to stock")
