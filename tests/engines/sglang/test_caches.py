"""The caches of a running engine, after its weights have been updated: as on stock."""

import pytest

from tests.engines.sglang.offline import assert_same_answers


@pytest.mark.shows("features", "cache of image embeddings")
def test_an_image_seen_before_gets_the_same_answer(updated):
    """Where the cache of prefixes has been emptied, which would answer before this one."""
    assert updated.found["ask flush"]["cached"] == updated.found["ask disk at last"]["cached"]
    assert updated.found["ask flush"]["tokens"] == updated.found["ask disk at last"]["tokens"]
    assert_same_answers(updated.found["ask flush"], updated.expected["ask flush"])


@pytest.mark.shows("features", "cache of prefixes (radix cache)")
def test_a_prefix_in_the_cache_gives_the_same_answer(updated):
    assert updated.found["ask again"]["cached"] > updated.found["ask flush"]["cached"]
    assert updated.found["ask again"]["tokens"] == updated.found["ask flush"]["tokens"]
    assert_same_answers(updated.found["ask again"], updated.expected["ask again"])


def test_the_cache_of_prefixes_holds_what_it_holds_on_stock(updated):
    found, expected = (
        {label: came["cached"] for label, came in one.items() if label.startswith("ask ")}
        for one in (updated.found, updated.expected)
    )
    assert found == expected
