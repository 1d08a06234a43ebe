"""Rope positions: bit-identical to those of the SGLang that is installed."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine_ext.sglang.mrope import FIND, glm4v, qwen
from engine_ext.sglang.positions import ENOUGH, Proving, has_parameters_of
from tests.engines.limits import IS_OLD_SGLANG
from tests.mrope.prompts import GLM, MERGE, QWEN, TEXT, prompts
from tests.mrope.test_batch import equal

rotary = pytest.importorskip("sglang.srt.layers.rotary_embedding").MRotaryEmbedding

# SGLang 0.5.9 and older know no Qwen3.5, and grids as tensors only.
UNKNOWN = {"qwen3_5", "qwen3_5_moe"} if IS_OLD_SGLANG else set()
FRAMED = sorted(set(FIND) - {"qwen2_vl"} - UNKNOWN)
SEARCH = settings(deadline=None)
FORMS = ["none", "float32", "float64", "list", "list of tensors", "tuple of integers"]
FORMS += ["numpy float32", "numpy float64"]


@pytest.fixture(autouse=True, scope="module")
def default_dtype():
    """That of a tokenizer's process: engines of other tests in this process may have changed it."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    yield
    torch.set_default_dtype(before)


def tensors(prompt):
    grids = [torch.tensor(found) if found else None for found in (prompt.images, prompt.videos)]
    return torch.tensor([prompt.ids]), *grids


def asked(model_type, ids, images, videos, seconds=None, per_second=2):
    """The arguments that SGLang's processors give."""
    return {
        "spatial_merge_size": MERGE,
        "image_token_id": QWEN.image,
        "video_token_id": QWEN.video,
        "vision_start_token_id": QWEN.vision_start,
        "model_type": model_type,
        "tokens_per_second": per_second,
        "input_ids": ids,
        "image_grid_thw": images,
        "video_grid_thw": videos,
        "second_per_grid_ts": seconds,
        "use_audio_in_video": False,
        "audio_seqlens": None,
    }


def assert_as_sglang(prompt, found, sglang):
    """What SGLang gives; None, which leaves it to SGLang, for prompts without vision alone."""
    if not prompt.images and not prompt.videos:
        assert found is None
    else:
        assert equal(found.positions, sglang())


@pytest.mark.parametrize("model_type", FRAMED)
@SEARCH
@given(prompt=prompts("qwen3_vl"), dtype=st.sampled_from([torch.int64, torch.int32]))
def test_frames_apart_as_sglang(model_type, prompt, dtype):
    ids, images, videos = tensors(prompt)
    request = asked(model_type, ids.to(dtype), images, videos)
    assert_as_sglang(prompt, qwen(**request), lambda: rotary.get_rope_index(**request))


@SEARCH
@given(prompt=prompts("qwen2_vl"))
def test_frames_counted_as_sglang(prompt):
    request = asked("qwen2_vl", *tensors(prompt))
    assert_as_sglang(prompt, qwen(**request), lambda: rotary.get_rope_index(**request))


@SEARCH
@given(
    prompt=prompts("qwen2_5_vl"),
    per_second=st.sampled_from([1, 2, 4, 25, 2.0, 1.5]),
    given_as=st.sampled_from(FORMS),
    data=st.data(),
)
def test_seconds_as_sglang(prompt, per_second, given_as, data):
    ids, images, videos = tensors(prompt)
    seconds = [data.draw(st.floats(0.01, 20)) for _ in prompt.videos]
    forms = {
        "none": None,
        "float32": torch.tensor(seconds),
        "float64": torch.tensor(seconds, dtype=torch.float64),
        "list": seconds,
        "list of tensors": [torch.tensor(one) for one in seconds],
        "tuple of integers": tuple(int(one) for one in seconds),
        "numpy float32": np.array(seconds, np.float32),
        "numpy float64": np.array(seconds),
    }
    request = asked("qwen2_5_vl", ids, images, videos, forms[given_as], per_second)
    assert_as_sglang(prompt, qwen(**request), lambda: rotary.get_rope_index(**request))


@pytest.mark.parametrize(
    "seconds",
    [
        torch.tensor([0.3, 0.7], dtype=torch.float16),
        [torch.tensor(0.3), torch.tensor(0.7, dtype=torch.float64)],
        [torch.tensor(0.3, dtype=torch.float64), 0.7],
        torch.tensor([0.3, 0.7, 0.9]),
        torch.tensor([[0.3], [0.7]]),
    ],
)
def test_seconds_that_ours_does_not_know_are_sglang_s_to_count(seconds, request_of_a_video):
    grids = torch.tensor([[1, 2, 2], [1, 2, 2]])
    twice = torch.cat([request_of_a_video["input_ids"]] * 2, 1)
    request = {**request_of_a_video, "input_ids": twice, "video_grid_thw": grids}
    calls, proving = [], Proving("get_rope_index", qwen)
    for number in (1, 2):
        found = proving(counted(calls), **{**request, "second_per_grid_ts": seconds})
        assert equal(found, rotary.get_rope_index(**{**request, "second_per_grid_ts": seconds}))
        assert len(calls) == number
    assert not proving.proven


def test_each_frame_rate_is_proven_until_enough_have_been(request_of_a_video):
    calls, proving = [], Proving("get_rope_index", qwen)
    for number in range(ENOUGH):
        seconds = torch.tensor([1 + number / 7])
        for _ in range(2):
            proving(counted(calls), **{**request_of_a_video, "second_per_grid_ts": seconds})
        assert len(calls) == number + 1
    proving(counted(calls), **{**request_of_a_video, "second_per_grid_ts": torch.tensor([99.0])})
    assert len(calls) == ENOUGH


def test_seconds_in_bfloat16_are_left_to_sglang(default_dtype):
    ids = torch.tensor([[QWEN.vision_start, QWEN.video, QWEN.video]])
    torch.set_default_dtype(torch.bfloat16)
    try:
        request = asked("qwen2_5_vl", ids, None, torch.tensor([[2, 2, 2]]), [16.9375])
        assert qwen(**request) is None
    finally:
        torch.set_default_dtype(torch.float32)


@SEARCH
@given(prompt=prompts("glm4v"), masked=st.booleans(), as_lists=st.booleans())
def test_glm4v_as_sglang(prompt, masked, as_lists):
    ids, images, videos = tensors(prompt)
    if as_lists and not IS_OLD_SGLANG:
        images, videos = prompt.images or None, prompt.videos or None
    names = {"image_token_id": GLM.image, "video_start_token_id": GLM.video_start}
    vision = SimpleNamespace(spatial_merge_size=MERGE)
    config = SimpleNamespace(vision_config=vision, video_end_token_id=GLM.video_end, **names)
    request = ids, config, images, videos, torch.ones_like(ids) if masked else None
    assert_as_sglang(prompt, glm4v(*request), lambda: rotary.get_rope_index_glm4v(*request))


@SEARCH
@given(
    prompt=prompts("qwen3_vl").filter(lambda drawn: drawn.images or drawn.videos), data=st.data()
)
def test_a_prompt_cut_off_gets_what_sglang_gives_or_raises(prompt, data):
    """In a start of vision at times. SGLang answers some although grids are left over."""
    assume(prompt.images or prompt.videos)
    ids, images, videos = tensors(prompt)
    proving = Proving("get_rope_index", qwen)
    proving(rotary.get_rope_index, **asked("qwen3_vl", ids, images, videos))
    assert proving.proven  # ours answers from here on
    length, end = data.draw(st.integers(1, ids.shape[1])), data.draw(st.booleans())
    last = torch.full((1, int(end)), QWEN.vision_start)
    request = asked("qwen3_vl", torch.cat([ids[:, :length], last], 1), images, videos)
    found = outcome(lambda: proving(rotary.get_rope_index, **request))
    expected = outcome(lambda: rotary.get_rope_index(**request))
    assert found is expected if isinstance(expected, type) else equal(found, expected)
    assert not proving.has_failed


def outcome(compute):
    """What it gives, or the type of what it raises."""
    try:
        return compute()
    except Exception as error:
        return type(error)


def test_other_models_are_left_to_sglang():
    ids = torch.tensor([[QWEN.vision_start, QWEN.image]])
    for model_type in ("qwen3_omni_moe", "paddleocr_vl", "no such model"):
        assert qwen(**asked(model_type, ids, torch.tensor([[1, 2, 2]]), None)) is None


def test_sglang_s_functions_have_the_parameters_that_ours_know():
    assert has_parameters_of(rotary.get_rope_index, qwen)
    assert has_parameters_of(rotary.get_rope_index_glm4v, glm4v)
    assert not has_parameters_of(rotary.get_rope_index, glm4v)


@pytest.fixture
def request_of_an_image():
    ids = torch.tensor([[TEXT, QWEN.vision_start, QWEN.image, TEXT]])
    return asked("qwen3_vl", ids, torch.tensor([[1, 2, 2]]), None)


@pytest.fixture
def request_of_a_video():
    ids = torch.tensor([[TEXT, QWEN.vision_start, QWEN.video, TEXT]])
    return asked("qwen2_5_vl", ids, None, torch.tensor([[1, 2, 2]]))


def counted(calls):
    def stock(**request):
        calls.append(request)
        return rotary.get_rope_index(**request)

    return stock


def test_a_kind_is_computed_by_us_once_it_came_out_equal(request_of_an_image):
    calls, proving = [], Proving("get_rope_index", qwen)
    first, second = (proving(counted(calls), **request_of_an_image) for _ in range(2))
    assert len(calls) == 1
    assert equal(first, second)
    proving(counted(calls), **{**request_of_an_image, "model_type": "qwen3_vl_moe"})
    assert len(calls) == 2


def test_one_difference_leaves_all_to_sglang(request_of_an_image, caplog):
    calls = []

    def wrong(**request):
        found = qwen(**request)
        return found._replace(positions=[one + 1 for one in found.positions])

    proving = Proving("get_rope_index", wrong)
    for _ in range(2):
        found = proving(counted(calls), **request_of_an_image)
        assert equal(found, rotary.get_rope_index(**request_of_an_image))
    assert len(calls) == 2
    assert "not equal, left to SGLang" in caplog.text


@pytest.mark.parametrize(
    "odd", [{"image_grid_thw": [[1, 4], [4]]}, {"image_grid_thw": None, "video_grid_thw": "none"}]
)
def test_a_request_that_is_not_understood_changes_nothing_for_the_next(
    request_of_an_image, odd, caplog
):
    calls, proving = [], Proving("get_rope_index", qwen)
    asked_for = {**request_of_an_image, **odd}
    raised = outcome(lambda: rotary.get_rope_index(**asked_for))
    assert issubclass(raised, Exception)
    for _ in range(2):
        assert outcome(lambda: proving(counted(calls), **asked_for)) is raised
    assert caplog.text.count("a request left to SGLang") == 1
    for _ in range(2):
        proving(counted(calls), **request_of_an_image)
    assert len(calls) == 3


def test_seconds_of_none_change_nothing_for_the_next(request_of_a_video):
    calls, proving = [], Proving("get_rope_index", qwen)
    with pytest.raises(TypeError):
        proving(counted(calls), **{**request_of_a_video, "second_per_grid_ts": [None]})
    for _ in range(2):
        proving(counted(calls), **{**request_of_a_video, "second_per_grid_ts": [0.3]})
    assert len(calls) == 2


def test_grids_that_do_not_fit_are_sglang_s_to_judge(request_of_an_image):
    proving = Proving("get_rope_index", qwen)
    wrong = {**request_of_an_image, "image_grid_thw": torch.tensor([[1, 4, 4]])}
    with pytest.raises(RuntimeError):  # of its own: the shapes do not match
        proving(rotary.get_rope_index, **wrong)
