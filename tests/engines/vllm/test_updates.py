"""Every way of vLLM to put other weights into a running engine, with its projection replaced.

The answers are those of a fresh stock engine over the checkpoint that the weights came from. Each
update finds a projection that was overwritten, so it is seen to bring every value.
"""

import pytest

from tests.engines.vllm.answers import assert_same, differ, said
from tests.engines.vllm.runs import CACHED, FORGOTTEN, SHARED
from tests.engines.vllm.ways import UPDATES, WITHOUT_DATA

EACH = [
    pytest.param(by, marks=() if is_there else pytest.mark.skip(reason="this vLLM has no such way"))
    for by, is_there in UPDATES.items()
]


def test_stock_over_the_other_checkpoint_answers_otherwise(arms):
    for by in UPDATES:
        assert differ(arms.stock["changed"][by], arms.stock[SHARED]["replies"]), by


@pytest.mark.shows("weight paths", "{by}, running")
@pytest.mark.parametrize("by", EACH)
def test_answers_after_an_update_are_those_of_a_fresh_stock_engine(by, arms):
    found = arms.extension[SHARED][by]
    assert found["error"] is None
    assert_same(found["replies"], arms.stock["changed"][by])


@pytest.mark.parametrize("by", EACH)
def test_an_update_writes_no_line_to_the_log(by, arms):
    assert arms.extension[SHARED][by]["logged"] == []


@pytest.mark.shows("weight paths", "{by}, running")
@pytest.mark.parametrize("by", WITHOUT_DATA)
def test_an_update_without_values_is_refused_in_the_words_of_stock(by, arms, record_property):
    found, expected = (arm[SHARED][by] for arm in (arms.extension, arms.stock))
    assert found["error"] == expected["error"]
    record_property("found", f"stock cannot: {said(expected['error'])}")
    assert_same(found["replies"], expected["replies"])


@pytest.mark.shows("weight paths", "caches of images after an update, running")
def test_what_was_asked_before_an_update_is_answered_from_the_caches_as_on_stock(
    arms, record_property
):
    """Until they are emptied: vLLM leaves that to who updates."""
    found, expected = arms.extension[SHARED], arms.stock[SHARED]
    assert_same(found[CACHED]["replies"], expected[CACHED]["replies"])
    assert_same(found[FORGOTTEN], expected[FORGOTTEN])
    assert differ(expected[FORGOTTEN], expected["replies"])
    record_property("found", "as stock: from the caches until they are emptied")


def test_nor_do_all_of_them_write_a_status_line(arms):
    assert len(arms.extension[SHARED]["status"]) == 1
