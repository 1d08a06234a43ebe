"""Updates that stock refuses, and those that it takes whatever they hold: as stock."""

import pytest

from evals import checkpoints
from tests.engines.damage import MISSHAPEN, damaged
from tests.engines.limits import OFF, ON, slow
from tests.engines.sglang.offline import assert_same_answers, failure
from tests.engines.sglang.updated import REFUSED


@pytest.mark.shows("weight paths", "update that stock refuses, from {what}")
@pytest.mark.parametrize("what", REFUSED)
def test_what_stock_refuses_is_refused_by_its_own_words(what, updated, record_property):
    succeeded, said = updated.expected[what]
    assert succeeded is False
    assert updated.found[what] == [succeeded, said]
    record_property("found", "refused by SGLang's own words")


@pytest.mark.parametrize("what", REFUSED)
def test_the_engine_goes_on_as_stock_does(what, updated):
    assert_same_answers(updated.found[f"ask {what}"], updated.expected[f"ask {what}"])


def test_values_that_are_not_finite_are_taken_as_stock_takes_them(updated):
    assert updated.expected["not finite"][0] is True
    assert updated.found["not finite"] == updated.expected["not finite"]


@slow
def test_what_stock_does_not_survive_ends_the_engine_by_the_same_words(tmp_path):
    """SGLang reads the same checkpoint again to roll back (sglang #30749)."""
    steps = [["disk", damaged(tmp_path, "glm4v", MISSHAPEN)]]
    model, raised = str(checkpoints.path("glm4v")), r"AssertionError: Attempted to load[^\n]*"
    found, expected = (failure(raised, "glm4v", model, {}, steps, **one) for one in (ON, OFF))
    assert found == expected
