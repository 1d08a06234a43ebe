"""The same as the `get_rope_index` of transformers before 5, which the batch functions replace."""

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from engine_ext.mrope import qwen2_5_vl_rope_index, qwen3_vl_get_rope_index
from tests.mrope.prompts import prompts
from tests.mrope.test_batch import equal, grids, model, padded

pytestmark = pytest.mark.skipif(
    int(transformers.__version__.split(".")[0]) >= 5,
    reason="transformers 5 has another signature and places text after a clip otherwise",
)
SEARCH = settings(max_examples=100)


@SEARCH
@given(st.lists(prompts("qwen3_vl"), min_size=1, max_size=3), st.sampled_from(["left", "right"]))
def test_qwen3_vl(rows, side):
    ids, mask = padded(rows, side)
    given_to_both = (model(), ids, grids(rows, "images"), grids(rows, "videos"), mask)
    theirs = transformers.Qwen3VLModel.get_rope_index(*given_to_both)
    assert equal(qwen3_vl_get_rope_index(*given_to_both), theirs)


@SEARCH
@given(st.lists(prompts("qwen2_5_vl"), min_size=1, max_size=3), st.sampled_from(["left", "right"]))
def test_qwen2_5_vl(rows, side):
    ids, mask = padded(rows, side)
    videos = grids(rows, "videos")
    seconds = None if videos is None else torch.full((len(videos),), 2.5)
    given_to_both = (model(), ids, grids(rows, "images"), videos, seconds, mask)
    theirs = transformers.Qwen2_5_VLModel.get_rope_index(*given_to_both)
    assert equal(qwen2_5_vl_rope_index(*given_to_both), theirs)
