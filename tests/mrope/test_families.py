"""Where spans are found, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_ext.mrope import BadSpans, glm4v, qwen2_5_vl, qwen2_vl, qwen3_vl, rope_index, short
from tests.mrope.prompts import GLM, GLM_BEGIN, MERGE, QWEN, TEXT, Prompt, prompts

IMAGE = [QWEN.vision_start, *[QWEN.image] * 2]
NONE = np.empty((0, 3), np.int64)


def grids(*found):
    return np.array(found, np.int64).reshape(-1, 3)


@pytest.mark.parametrize("find", [qwen2_vl, qwen3_vl])
@given(data=st.data())
def test_every_placeholder_is_in_a_span(find, data):
    prompt = data.draw(prompts(find.__name__))
    ids = prompt.array()
    found = find(ids, QWEN, *prompt.grids(), MERGE)
    covered = np.zeros(len(ids), bool)
    for start, tokens in zip(found.starts, found.tokens, strict=True):
        assert not covered[start : start + tokens].any()
        covered[start : start + tokens] = True
    assert covered.tolist() == np.isin(ids, (QWEN.image, QWEN.video)).tolist()


def test_a_video_of_qwen3_vl_is_a_span_for_each_frame():
    prompt = Prompt([*[TEXT, QWEN.vision_start, QWEN.video, QWEN.video] * 3])
    found = qwen3_vl(prompt.array(), QWEN, NONE, grids((3, 2, 4)), MERGE)
    assert found.starts.tolist() == [2, 6, 10]
    assert found.grids.tolist() == [[1, 1, 2]] * 3


def test_seconds_of_qwen2_5_vl_are_cut_to_whole_positions():
    prompt = Prompt([QWEN.vision_start, *[QWEN.video] * 6])
    seconds = np.array([0.7], np.float32)
    found = qwen2_5_vl(prompt.array(), QWEN, NONE, grids((3, 2, 4)), MERGE, seconds, 2)
    assert found.times.tolist() == [0, 1, 2]
    positions, end = rope_index(7, found)
    assert positions[0].tolist() == [0, 1, 1, 2, 2, 3, 3]
    assert end == 4


def test_an_image_of_qwen2_5_vl_has_no_seconds():
    ids = np.array([*IMAGE, QWEN.vision_start, *[QWEN.video] * 4])
    seconds = np.array([5.0], np.float32)
    found = qwen2_5_vl(ids, QWEN, grids((1, 2, 4)), grids((2, 2, 4)), MERGE, seconds, 2)
    assert found.times.tolist() == [0, 0, 10]


def test_frames_of_glm4v_lie_between_the_tokens_of_a_video():
    frame = [GLM_BEGIN, GLM.image, GLM.image]
    ids = [*frame, GLM.video_start, *frame, *frame, GLM.video_end, TEXT, *frame]
    images, videos = grids((1, 2, 4), (1, 4, 2)), grids((2, 2, 4))
    found = glm4v(np.array(ids), GLM, images, videos, MERGE)
    assert found.starts.tolist() == [1, 5, 8, 13]
    assert found.grids.tolist() == [[1, 1, 2], [1, 1, 2], [1, 1, 2], [1, 2, 1]]


@pytest.mark.parametrize(
    ("ids", "images", "videos", "said"),
    [
        (IMAGE, [], [], "has 1 image spans and 0 video spans, the grids are of 0 images and 0"),
        (IMAGE, [], [(1, 2, 4)], "has 1 image spans and 0 video spans"),
        (IMAGE, [(1, 2, 6)], [], r"at token 1 has 2 tokens, its grid \(1, 1, 3\) after merging"),
        (IMAGE[:-1], [(1, 2, 4)], [], "at token 1 has 1 tokens"),
        (IMAGE, [(1, 3, 4)], [], r"image 0 has the grid \(1, 3, 4\), .* by the merge size 2"),
        (IMAGE, [(1, 2, 0)], [], r"image 0 has the grid \(1, 2, 0\), expected sizes of at least 1"),
        (IMAGE, [(1, -2, -4)], [], r"\(1, -2, -4\), expected sizes of at least 1"),
        ([*IMAGE[1:], *IMAGE], [(1, 2, 4)], [], "at token 0 does not follow the token 103"),
        ([TEXT, *IMAGE[1:], *IMAGE], [(1, 2, 4)], [], "at token 1 does not follow the token 103"),
    ],
)
@pytest.mark.parametrize("find", [qwen2_vl, qwen3_vl])
def test_grids_that_do_not_fit_are_refused(find, ids, images, videos, said):
    with pytest.raises(BadSpans, match=said):
        find(np.array(ids), QWEN, grids(*images), grids(*videos), MERGE)


@pytest.mark.parametrize("find", [qwen2_vl, qwen3_vl])
@pytest.mark.parametrize(
    ("ids", "starts"),
    [([TEXT], []), (IMAGE, [1]), ([*IMAGE, TEXT, *IMAGE[1:]], [1]), (IMAGE[1:], [])],
)
def test_grids_left_over_and_tokens_without_a_start_are_no_spans(find, ids, starts):
    found = find(np.array(ids), QWEN, grids((1, 2, 4), (1, 2, 4)), grids((2, 2, 4)), MERGE)
    assert found.starts.tolist() == starts
    assert found.grids.tolist() == [[1, 1, 2]] * len(starts)


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen3_vl", "glm4v"])
@given(data=st.data())
def test_few_spans_are_found_and_written_as_many_are(family, data):
    prompt = data.draw(prompts(family))
    tokens = GLM if family == "glm4v" else QWEN
    asked = prompt.array(), tokens, *prompt.grids(), MERGE
    find = {"qwen2_vl": qwen2_vl, "qwen3_vl": qwen3_vl, "glm4v": glm4v}[family]
    short_way, length = find(*asked), len(prompt.ids)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(short, "FEW", -1)
        long_way = find(*asked)
        expected, end = rope_index(length, long_way)
    assert short_way.starts.tolist() == long_way.starts.tolist()
    assert short_way.grids.tolist() == long_way.grids.tolist()
    positions, found_end = rope_index(length, short_way)
    assert positions.tolist() == expected.tolist()
    assert found_end == end


def test_grids_of_another_shape_are_refused():
    with pytest.raises(BadSpans, match=r"image grids of shape \(3,\), expected \(n, 3\)"):
        qwen2_vl(np.array(IMAGE), QWEN, np.array([1, 2, 4]), NONE, MERGE)


def test_seconds_of_another_count_are_refused():
    seconds = np.ones(2, np.float32)
    with pytest.raises(BadSpans, match=r"of shape \(2,\), expected one for each of 0 videos"):
        qwen2_5_vl(np.array(IMAGE), QWEN, grids((1, 2, 4)), NONE, MERGE, seconds, 2)
