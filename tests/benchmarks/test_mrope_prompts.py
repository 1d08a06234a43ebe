"""The prompts whose positions are timed hold what they say, and peers agree on them."""

import numpy as np
import pytest

from benchmarks.mrope.peers import ours, peers
from benchmarks.mrope.prompts import FAMILIES, images, spread, videos

LONGER_TEXT = "transformers"
"""Its 5 differs on videos of these: docs/mrope.md."""
ONE_SPAN = ("qwen2_vl", "qwen2_5_vl")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("make", [images, videos])
def test_installed_functions_agree_with_ours(family, make):
    prompt = make(family, 2)
    expected = ours(prompt)
    assert expected.shape == (3, len(prompt.ids))
    for name, call in peers(prompt):
        is_equal = np.array_equal(np.asarray(call()).reshape(3, -1), expected)
        differs = family in ONE_SPAN and make is videos and name.startswith(LONGER_TEXT)
        assert is_equal != differs, name


@pytest.mark.parametrize(("spans", "tokens"), [(1, 16), (4, 32), (8, 64)])
def test_tokens_are_spread_over_spans(spans, tokens):
    prompt = spread(spans, tokens)
    assert len(prompt.images) == spans
    assert prompt.images.prod(axis=1).sum() == 4 * tokens
    assert ours(prompt).shape == (3, len(prompt.ids))
