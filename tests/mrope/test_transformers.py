"""The same as the `get_rope_index` of the transformers that is installed, which ours replace."""

from types import SimpleNamespace

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from engine_ext.mrope import BadSpans, qwen2_5_vl_rope_index, qwen3_vl_get_rope_index
from tests.mrope.prompts import QWEN, TEXT, prompts
from tests.mrope.test_batch import equal, grids, model, padded

IS_5 = int(transformers.__version__.split(".")[0]) >= 5
until_4 = pytest.mark.skipif(IS_5, reason="transformers 5 is installed: make test-transformers-4")
from_5 = pytest.mark.skipif(not IS_5, reason="transformers 4 is installed: make test-core")
SEARCH = settings(max_examples=100, deadline=None)
sides = st.sampled_from(["left", "right"])


def several(family):
    return st.lists(prompts(family), min_size=1, max_size=3)


def packed(data, mask):
    """The mask, the tokens of some rows numbered by the prompts that are packed in them."""
    for row in mask:
        row[data.draw(st.integers(0, len(row))) :] *= data.draw(st.sampled_from([1, 2]))
    return mask


def cut(data, row):
    """A prompt without its end, at times with tokens of an image that has none to begin it."""
    row.ids = row.ids[: data.draw(st.integers(1, len(row.ids)))]
    row.ids += [TEXT, *[QWEN.image] * data.draw(st.integers(0, 2))]
    return row


def outcome(compute):
    """What it gives, or what it raises."""
    try:
        return compute()
    except Exception as error:
        return error


@until_4
@SEARCH
@given(several("qwen3_vl"), sides)
def test_qwen3_vl(rows, side):
    ids, mask = padded(rows, side)
    given_to_both = (model(), ids, grids(rows, "images"), grids(rows, "videos"), mask)
    theirs = transformers.Qwen3VLModel.get_rope_index(*given_to_both)
    assert equal(qwen3_vl_get_rope_index(*given_to_both), theirs)


@until_4
@SEARCH
@given(several("qwen2_5_vl"), sides, st.floats(0.01, 9))
def test_qwen2_5_vl(rows, side, seconds):
    ids, mask = padded(rows, side)
    videos = grids(rows, "videos")
    seconds = None if videos is None else torch.full((len(videos),), seconds)
    given_to_both = (model(), ids, grids(rows, "images"), videos, seconds, mask)
    theirs = transformers.Qwen2_5_VLModel.get_rope_index(*given_to_both)
    assert equal(qwen2_5_vl_rope_index(*given_to_both), theirs)


@until_4
@SEARCH
@given(st.data())
def test_a_batch_that_is_packed_or_cut_is_placed_alike_or_refused(data):
    rows = data.draw(several("qwen3_vl"))
    images, videos = grids(rows, "images"), grids(rows, "videos")
    rows[-1] = cut(data, rows[-1])
    ids, mask = padded(rows, data.draw(sides))
    given_to_both = (model(), ids, images, videos, packed(data, mask))
    theirs = outcome(lambda: transformers.Qwen3VLModel.get_rope_index(*given_to_both))
    ours = outcome(lambda: qwen3_vl_get_rope_index(*given_to_both))
    if isinstance(ours, Exception):
        assert isinstance(ours, BadSpans)
    elif not isinstance(theirs, Exception):
        assert equal(ours, theirs)


@until_4
def test_a_packed_batch_has_positions_where_its_mask_is_1():
    ids, mask = torch.full((1, 5), TEXT), torch.tensor([[1, 1, 2, 2, 0]])
    ids[0, :2] = torch.tensor([QWEN.vision_start, QWEN.image])
    given_to_both = model(), ids, torch.tensor([[1, 2, 2]]), None, mask
    ours = qwen3_vl_get_rope_index(*given_to_both)
    assert equal(ours, transformers.Qwen3VLModel.get_rope_index(*given_to_both))
    assert ours[0][0].tolist() == [[0, 1, 1, 1, 1]]


def typed(ids):
    types = torch.zeros_like(ids)
    types[ids == QWEN.image], types[ids == QWEN.video] = 1, 2
    return types


def of_5(family):
    """A stand-in for the model, and the function of transformers 5, as it calls it."""
    own = {"qwen3_vl": "Qwen3VLModel", "qwen2_5_vl": "Qwen2_5_VLModel"}[family]
    own = getattr(transformers, own)
    made = model()
    made.get_vision_position_ids = lambda *a, **k: own.get_vision_position_ids(made, *a, **k)
    return made, own.get_rope_index


@from_5
@SEARCH
@given(several("qwen3_vl"), st.data())
def test_qwen3_vl_with_types(rows, data):
    ids, mask = padded(rows, data.draw(sides))
    made, theirs = of_5("qwen3_vl")
    asked = {"attention_mask": packed(data, mask), "mm_token_type_ids": typed(ids)}
    asked |= {"image_grid_thw": grids(rows, "images"), "video_grid_thw": grids(rows, "videos")}
    ours = qwen3_vl_get_rope_index(made, ids, **asked, pixel_values=None)
    assert equal(ours, theirs(made, ids, **asked))


@from_5
@SEARCH
@given(several("qwen2_5_vl"), sides)
def test_qwen2_5_vl_with_types(rows, side):
    ids, mask = padded(rows, side)
    made, theirs = of_5("qwen2_5_vl")
    asked = {"attention_mask": mask, "mm_token_type_ids": typed(ids)}
    asked |= {"image_grid_thw": grids(rows, "images"), "video_grid_thw": grids(rows, "videos")}
    if asked["video_grid_thw"] is None:
        assert equal(qwen2_5_vl_rope_index(made, ids, **asked), theirs(made, ids, **asked))
    else:
        with pytest.raises(NotImplementedError, match="keep its own get_rope_index there"):
            qwen2_5_vl_rope_index(made, ids, **asked)


@from_5
def test_a_model_of_transformers_5_computes_alike_with_ours():
    """As docs/mrope.md puts it in place."""
    grid = torch.tensor([[1, 4, 4]])
    ids = torch.tensor([[TEXT, QWEN.vision_start, *[QWEN.image] * 4, TEXT]])
    made = model()
    made.rope_deltas = None
    own = transformers.Qwen3VLModel
    made.get_vision_position_ids = lambda *a, **k: own.get_vision_position_ids(made, *a, **k)
    found = []
    for function in (own.get_rope_index, qwen3_vl_get_rope_index):
        made.get_rope_index = lambda *a, f=function, **k: f(made, *a, **k)
        asked = {"image_grid_thw": grid, "video_grid_thw": None, "mm_token_type_ids": typed(ids)}
        embeds = SimpleNamespace(shape=(1, 7, 8), device=ids.device)
        found.append(
            own.compute_3d_position_ids(
                made, ids, inputs_embeds=embeds, attention_mask=None, past_key_values=None, **asked
            )
        )
    assert torch.equal(*found)
