"""The weights of a server, updated over HTTP, and a damaged checkpoint refused."""

import pytest

from tests.engines.answers import assert_same_answers
from tests.engines.sglang.http_updates import FAMILY, REFUSED, UPDATED


@pytest.fixture(scope="module")
def arms(served):
    """What came of the same updates with the extension and on stock."""
    return served(FAMILY, "on").steps, served(FAMILY, "off").steps


@pytest.mark.shows("weight paths", "update from disk over HTTP")
def test_an_updated_server_answers_as_an_updated_stock_server(arms):
    for code, said in (arms[0]["updated"], arms[1]["updated"]):
        assert (code, said["success"]) == (200, True)
    assert_same_answers(arms[0][UPDATED], arms[1][UPDATED])


@pytest.mark.shows("refused updates", "from disk over HTTP: values that are not finite")
def test_a_refused_update_is_answered_and_the_server_goes_on_as_before(arms, record_property):
    code, said = arms[0]["refused"]
    assert (code, said["success"]) == (400, False)
    assert "visual.patch_embed.proj.weight: " in said["message"]
    assert "values are not finite" in said["message"]
    assert arms[0]["health"] == 200
    assert_same_answers(arms[0][REFUSED], arms[1][REFUSED])
    record_property("found", "answered with HTTP 400 and the reason")


def test_the_update_has_a_verified_status_line(arms):
    first, second, *_ = arms[0]["lines"]
    assert (first["loads"], second["loads"]) == (1, 2)
    assert second["modules"][0]["difference"] < 1e-5
