"""The weights of a server, updated over HTTP, by default settings and by named features."""

import pytest

from tests.engines.answers import assert_same_answers
from tests.engines.limits import slow
from tests.engines.sglang.http_updates import FAMILY, REFUSED, UPDATED


@pytest.fixture(scope="module", params=["default", pytest.param("on", marks=slow)])
def steps(request, served):
    """What came of the same updates with the extension and on stock."""
    return served(FAMILY, request.param).steps, served(FAMILY, "off").steps


@pytest.mark.shows("weight paths", "update from disk over HTTP")
def test_an_updated_server_answers_as_an_updated_stock_server(steps):
    found, expected = steps
    for code, said in (found["updated"], expected["updated"]):
        assert (code, said["success"]) == (200, True)
    assert_same_answers(found[UPDATED], expected[UPDATED])


@pytest.mark.shows("weight paths", "update from disk over HTTP that stock refuses: no weights")
def test_an_update_that_stock_refuses_gets_its_reply_and_the_server_goes_on(steps, record_property):
    found, expected = steps
    code, said = expected["refused"]
    assert (code, said["success"]) == (400, False)
    assert found["refused"] == (code, said)
    assert found["health"] == 200
    assert_same_answers(found[REFUSED], expected[REFUSED])
    record_property("found", f"answered with HTTP {code} and SGLang's own words")


def test_an_update_writes_no_status_line(steps):
    assert len(steps[0]["lines"]) == 1
