"""Updates that stock refuses, and those that it takes whatever they hold: as stock."""

import pytest

from tests.engines.sglang.offline import assert_same_answers
from tests.engines.sglang.updated import DAMAGES


@pytest.mark.shows("weight paths", "update from disk that stock refuses: {what}")
@pytest.mark.parametrize("what", DAMAGES)
def test_what_stock_refuses_is_refused_by_its_own_words(what, updated, record_property):
    succeeded, said = updated.expected[what]
    assert succeeded is False
    assert updated.found[what] == [succeeded, said]
    record_property("found", "refused by SGLang's own words")


@pytest.mark.parametrize("what", DAMAGES)
def test_the_engine_goes_on_as_stock_does(what, updated):
    assert_same_answers(updated.found[f"ask {what}"], updated.expected[f"ask {what}"])


def test_values_that_are_not_finite_are_taken_as_stock_takes_them(updated):
    assert updated.expected["not finite"][0] is True
    assert updated.found["not finite"] == updated.expected["not finite"]
