"""Padded batches: the same as lmms-engine's functions, which these replace."""

from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.mrope.peers import lmms_engine_rope
from engine_ext.mrope import BadSpans, qwen2_5_vl_rope_index, qwen3_vl_get_rope_index
from engine_ext.mrope.batch import to_host
from tests.mrope.prompts import MERGE, QWEN, TEXT, prompts


@pytest.fixture(scope="module")
def lmms_engine():
    try:
        return lmms_engine_rope()
    except PackageNotFoundError:
        pytest.skip("lmms-engine is not installed here")


def model(tokens_per_second=2):
    vision = SimpleNamespace(spatial_merge_size=MERGE, tokens_per_second=tokens_per_second)
    ids = {
        "image_token_id": QWEN.image,
        "video_token_id": QWEN.video,
        "vision_start_token_id": QWEN.vision_start,
    }
    return SimpleNamespace(config=SimpleNamespace(vision_config=vision, **ids))


def padded(rows, side):
    """(B, S) ids and mask of prompts of different lengths."""
    length = max(len(row.ids) for row in rows)
    ids, mask = torch.zeros(2, len(rows), length, dtype=torch.long)
    for number, row in enumerate(rows):
        size = len(row.ids)
        place = slice(0, size) if side == "right" else slice(length - size, length)
        ids[number, place], mask[number, place] = torch.tensor(row.ids), 1
    return ids, mask


def grids(rows, kind):
    found = [grid for row in rows for grid in getattr(row, kind)]
    return torch.tensor(found) if found else None


def equal(ours, theirs):
    return all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(ours, theirs, strict=True))


@given(
    st.lists(prompts("qwen3_vl"), min_size=1, max_size=4),
    st.sampled_from(["left", "right"]),
    st.sampled_from([torch.int64, torch.int32]),
)
def test_qwen3_vl_is_lmms_engine_s(lmms_engine, rows, side, dtype):
    ids, mask = padded(rows, side)
    given_grids = grids(rows, "images"), grids(rows, "videos")
    given_to_both = (model(), ids.to(dtype), *given_grids, mask)
    ours = qwen3_vl_get_rope_index(*given_to_both)
    assert equal(ours, lmms_engine.qwen3_vl_get_rope_index(*given_to_both))


@given(prompts("qwen3_vl"))
def test_qwen3_vl_without_a_mask_is_lmms_engine_s(lmms_engine, row):
    given_to_both = model(), torch.tensor([row.ids]), grids([row], "images"), grids([row], "videos")
    ours = qwen3_vl_get_rope_index(*given_to_both)
    assert equal(ours, lmms_engine.qwen3_vl_get_rope_index(*given_to_both))


@given(
    st.lists(prompts("qwen2_5_vl"), min_size=1, max_size=3),
    st.sampled_from(["left", "right"]),
    st.booleans(),
    st.data(),
)
def test_qwen2_5_vl_is_lmms_engine_s(lmms_engine, rows, side, timed, data):
    ids, mask = padded(rows, side)
    images, videos = grids(rows, "images"), grids(rows, "videos")
    seconds = None
    if timed and videos is not None:
        drawn = st.sampled_from([0.5, 1.0, 1.7, 2.0, 3.2])
        seconds = torch.tensor([data.draw(drawn) for _ in videos])
    given_to_both = (model(data.draw(st.sampled_from([1, 2, 25]))), ids, images, videos, seconds)
    ours = qwen2_5_vl_rope_index(*given_to_both, mask)
    assert equal(ours, lmms_engine.qwen2_5_vl_rope_index(*given_to_both, mask))


def test_a_row_of_text_between_rows_with_images():
    image = [QWEN.vision_start, QWEN.image, QWEN.image]
    ids = torch.tensor([image, [TEXT] * 3, image])
    positions, deltas = qwen3_vl_get_rope_index(model(), ids, torch.tensor([[1, 2, 4]] * 2))
    assert positions[2].tolist() == [[0, 1, 2]] * 3
    assert positions[1].tolist() == [[0, 1, 1], [0, 1, 2], [0, 1, 1]]
    assert deltas.tolist() == [[0], [0], [0]]


def test_embeddings_without_ids_are_counted_by_their_mask(lmms_engine):
    mask = torch.tensor([[0, 1, 1], [1, 1, 0]])
    given_to_both = model(), None, torch.tensor([[1, 2, 4]]), None, mask
    ours = qwen3_vl_get_rope_index(*given_to_both)
    assert equal(ours, lmms_engine.qwen3_vl_get_rope_index(*given_to_both))


@pytest.mark.parametrize(
    "form", [list, np.array, lambda grids: [torch.tensor(grid) for grid in grids]]
)
def test_grids_of_any_form(form):
    ids = torch.tensor([[QWEN.vision_start, QWEN.image, QWEN.vision_start, QWEN.video]])
    found = qwen3_vl_get_rope_index(model(), ids, form([[1, 2, 2]]), form([[1, 2, 2]]))
    expected = qwen3_vl_get_rope_index(model(), ids, *[torch.tensor([[1, 2, 2]])] * 2)
    assert equal(found, expected)


@pytest.mark.parametrize("seconds", [None, [], np.array([]), torch.empty(0)], ids=repr)
def test_images_have_no_seconds(seconds):
    ids = torch.tensor([[QWEN.vision_start, QWEN.image, QWEN.image]])
    positions, _ = qwen2_5_vl_rope_index(model(), ids, torch.tensor([[1, 2, 4]]), None, seconds)
    assert positions[:, 0].tolist() == [[0, 1, 1], [0, 1, 1], [0, 1, 2]]


@pytest.mark.parametrize("rope_index", [qwen3_vl_get_rope_index, qwen2_5_vl_rope_index])
def test_what_is_left_over_by_one_row_is_not_the_next_one_s(rope_index):
    """Only what the last has left is of something that was cut off."""
    image = [QWEN.vision_start, QWEN.image, QWEN.image]
    ids = torch.tensor([[*image, TEXT], [*image, QWEN.image]])
    with pytest.raises(BadSpans, match=r"row 1 of 2: .* at token 1 has 3 tokens, its grid"):
        rope_index(model(), ids, torch.tensor([[1, 2, 4]] * 3))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"attention_mask": torch.ones(2, 4)}, r"a mask of shape \(2, 4\) for ids of .* \(2, 3\)"),
        ({"attention_mask": torch.zeros(2, 3)}, "has no token: expected 1 for each and 0 for pad"),
        ({"input_ids": None, "attention_mask": None}, "neither input_ids nor attention_mask"),
        ({"image_grid_thw": torch.tensor([1, 2, 4])}, r"image grids of shape \(3,\)"),
        ({"image_grid_thw": [[1, 2, 4]]}, "row 1 of 2: the prompt has 1 image spans and 0 video"),
    ],
)
@pytest.mark.parametrize("rope_index", [qwen3_vl_get_rope_index, qwen2_5_vl_rope_index])
def test_a_batch_that_does_not_fit_is_named(rope_index, changes, said):
    image = [QWEN.vision_start, QWEN.image, QWEN.image]
    fits = {"input_ids": torch.tensor([image] * 2), "image_grid_thw": torch.tensor([[1, 2, 4]] * 2)}
    with pytest.raises(BadSpans, match=said):
        rope_index(model(), **{**fits, **changes})


def test_one_copy_brings_all_tensors():
    ids, mask = torch.arange(6).view(2, 3), torch.tensor([True, False])
    found = to_host(ids, None, mask)
    assert found[0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found[1] is None
    assert found[2].dtype == np.int64
