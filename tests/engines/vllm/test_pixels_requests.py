"""vLLM's processors that send an image of one frame, or decoded: restored, it is stock's rows."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import vllm
from PIL import Image
from vllm import ModelRegistry
from vllm.config import ModelConfig
from vllm.model_executor.model_loader.utils import _MODEL_ARCH_BY_HASH
from vllm.model_executor.models.registry import _try_load_model_cls
from vllm.multimodal import MULTIMODAL_REGISTRY
from vllm.plugins import load_general_plugins

from engine_ext import status
from engine_ext.pixels import decoded
from engine_ext.vllm import overrides, sent
from engine_ext.vllm.patch import FORM, GRIDS, ROWS, Patch, is_decoded
from engine_ext.vllm.receiving import expect_pixels, take_pixels
from evals import checkpoints
from evals.serving import status_lines
from tests.engines.limits import with_pixels

FAMILY = "qwen3_vl"
FRAMES, AREA = 2, 16 * 16
PICTURE = Image.effect_noise((128, 96), 60).convert("RGB")
PROMPTS = {"glm4v": "<|begin_of_image|><|image|><|end_of_image|>"}
PROMPT = "<|vision_start|><|image_pad|><|vision_end|>"
OTHERWISE = [{"do_normalize": False}, {"image_mean": [0.1, 0.2, 0.3]}, {"rescale_factor": 1.0}]

pytestmark = with_pixels


@pytest.fixture
def config(monkeypatch):
    """Makes configurations of a family's model, with features that are on."""

    def make(features="pixels", family=FAMILY, **settings):
        monkeypatch.setenv("ENGINE_EXT", features)
        _forget_overrides()
        load_general_plugins()
        limits = {"image": 3, "video": 0}
        path = str(checkpoints.path(family))
        return ModelConfig(model=path, limit_mm_per_prompt=limits, **settings)

    yield make
    _forget_overrides()


@pytest.fixture
def model(config):
    """Makes processors as the API server does, of a family; those of `linear` are stock's."""
    return lambda *args, **settings: MULTIMODAL_REGISTRY.create_processor(config(*args, **settings))


def _forget_overrides():
    """They are made once in a process, with the features that are on then."""
    registered = (
        entry.class_name
        for entry in ModelRegistry.models.values()
        if getattr(entry, "module_name", "") == overrides.__name__
    )
    for name in vars(overrides).keys() & set(registered):
        delattr(overrides, name)
    _try_load_model_cls.cache_clear()
    _MODEL_ARCH_BY_HASH.clear()


def items_of(processor, pictures, prompt=PROMPT, **asked):
    """What is sent of each picture, by name."""
    items = processor.info.parse_mm_data({"image": pictures})
    inputs = processor(prompt * len(pictures), mm_items=items, hf_processor_mm_kwargs=asked)
    return [item.get_data() for item in inputs["mm_kwargs"]["image"]]


def pixel_values(processor, picture=PICTURE, prompt=PROMPT, **asked):
    return items_of(processor, [picture], prompt, **asked)[0][ROWS]


def restored(processor, item):
    """The rows that a model gives itself of an item, and whether the item is an image."""
    if FORM not in item:
        return item[ROWS], False
    patch = Patch.of(processor.info.ctx.model_config.hf_config)
    return patch.rows([item[ROWS]], item[GRIDS][None]), is_decoded(item[ROWS])


@pytest.fixture(params=["pixels", "pixels,resize"])
def features(request):
    return request.param


@pytest.fixture
def is_stocks(model, features):
    """Whether what is sent of pictures, restored, is what stock sends; of each whether it is sent
    as it was decoded."""

    def check(*pictures, asked=None, family=FAMILY, **settings):
        made = [model(each, family, **settings) for each in (features, "linear")]
        prompt = PROMPTS.get(family, PROMPT)
        found, expected = (
            items_of(one, list(pictures or [PICTURE]), prompt, **(asked or {})) for one in made
        )
        are_decoded = []
        for item, stocks in zip(found, expected, strict=True):
            assert FORM not in stocks
            rows, is_image = restored(made[0], item)
            assert rows.dtype == stocks[ROWS].dtype
            assert torch.equal(rows, stocks[ROWS])
            assert torch.equal(item[GRIDS], stocks[GRIDS])
            are_decoded.append(is_image)
        return are_decoded

    return check


@pytest.mark.parametrize("family", checkpoints.FAMILIES)
def test_of_an_image_come_the_rows_that_stock_sends(is_stocks, features, family):
    assert is_stocks(family=family) == [features != "pixels"]


def test_so_do_those_of_several_large_ones_in_compact_rows(is_stocks, features):
    small, large = (Image.effect_noise(size, 60).convert("RGB") for size in [(90, 61), (900, 801)])
    asked = {"size": {"shortest_edge": 1024, "longest_edge": 256 * 256}}
    sent = is_stocks(small, large, PICTURE, asked=asked)
    assert sent == [features != "pixels", False, features != "pixels"]


ARRAYS = {
    "floats from 0 to 1": np.random.default_rng(0).random((60, 90, 3), dtype=np.float32),
    "fractions": np.random.default_rng(0).random((60, 90, 3), dtype=np.float32) * 255,
    "16 bits": np.random.default_rng(0).integers(0, 2**16, (60, 90, 3), dtype=np.uint16),
    "32 bits": np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.int32),
    "whole floats": np.random.default_rng(0).integers(0, 256, (60, 90, 3)).astype(np.float32),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_so_is_an_array_of_any_dtype_that_is_resized(is_stocks, model, features, kind):
    try:
        pixel_values(model("linear"), ARRAYS[kind])
    except ValueError:
        with pytest.raises(ValueError, match="Failed to apply"):
            pixel_values(model(features), ARRAYS[kind])
    else:
        assert is_stocks(ARRAYS[kind]) == [False]


@pytest.mark.parametrize("on_device", [True, False])
@pytest.mark.parametrize("asked", [{}, *OTHERWISE], ids=str)
def test_and_under_settings_of_the_request_wherever_vllm_normalises(
    is_stocks, features, asked, on_device
):
    are_decoded = is_stocks(asked=asked, mm_device_do_normalize=on_device)
    assert are_decoded == [features != "pixels" and on_device]


@pytest.mark.parametrize(
    "asked",
    [
        {"resample": 2},
        {"do_resize": False},
        {"device": "cpu"},
        {"size": {"shortest_edge": 1024, "longest_edge": 12288}},
    ],
    ids=str,
)
def test_and_under_others_of_how_it_is_resized(is_stocks, features, asked):
    are_decoded = is_stocks(asked=asked)
    assert are_decoded == [features != "pixels" and "resample" not in asked]


def test_an_image_processor_that_resizes_otherwise_is_asked_for_rows(
    is_stocks, features, monkeypatch
):
    monkeypatch.setattr(decoded, "_exact", {})
    monkeypatch.setattr(
        decoded, "resized", lambda image, height, width: torch.zeros(height, width, 3)
    )
    assert is_stocks() == [False]


def test_a_size_of_the_request_is_kept(is_stocks):
    is_stocks(asked={"size": {"shortest_edge": 1024, "longest_edge": 64 * 64}})


def refusal(processor, picture):
    """What is said of a picture that is refused, without addresses of objects, or None."""
    try:
        pixel_values(processor, picture)
    except ValueError as error:
        return re.sub("0x[0-9A-Fa-f]+", "", f"{error}; {error.__cause__}")
    return None


@pytest.mark.parametrize(
    ("size", "is_refused"), [((1, 1), False), ((5, 1000), False), ((1, 300), True)], ids=str
)
def test_one_pixel_and_long_strips_are_taken_or_refused_as_by_stock(
    is_stocks, model, size, is_refused
):
    picture = PICTURE.resize(size)
    expected = refusal(model("linear"), picture)
    assert (expected is not None) is is_refused
    assert refusal(model("pixels"), picture) == expected
    if not is_refused:
        is_stocks(picture)


def test_frames_of_the_request_are_an_error_where_no_tower_takes_them(model):
    with pytest.raises(ValueError, match=r"expected rows of 1536 values, by the model's temporal"):
        pixel_values(model(), temporal_patch_size=4)


@pytest.mark.parametrize("family", checkpoints.FAMILIES)
def test_stock_refuses_both_forms(family):
    """By name of shape, in each class that takes images."""
    config = json.loads((checkpoints.path(family) / "config.json").read_text())
    (architecture,) = config["architectures"]
    stock = ModelRegistry._try_load_model_cls(architecture)
    grid = torch.tensor([[1, 2, 2]])
    for shape in [(1, 4, 3, AREA), (1, 32, 32, 3)]:
        rows = torch.zeros(shape, dtype=torch.uint8)
        with pytest.raises(ValueError, match="pixel_values has rank 4 but expected 2"):
            stock._parse_and_validate_image_input(None, pixel_values=rows, image_grid_thw=grid)
        both = [rows[0], rows[0]]
        with pytest.raises(ValueError, match="pixel_values"):
            stock._parse_and_validate_image_input(None, pixel_values=both, image_grid_thw=grid)


def test_to_a_model_of_transformers_backend_images_are_sent_as_on_stock(model, features):
    (item,) = items_of(model(f"linear,{features}", model_impl="transformers"), [PICTURE])
    assert FORM not in item


def test_graphs_of_an_encoder_restore_a_batch_once():
    """vLLM asks for what is in it, then for each part, with the inputs of the whole."""

    class Tower:
        def get_encoder_cudagraph_item_specs(self, mm_kwargs):
            return mm_kwargs[ROWS]

        def select_encoder_cudagraph_items(self, mm_kwargs, indices):
            return mm_kwargs[ROWS]

    take_pixels(Tower)
    tower = Tower()
    vision = {"temporal_patch_size": 2, "patch_size": 14, "spatial_merge_size": 2}
    expect_pixels(tower, SimpleNamespace(vision_config=SimpleNamespace(**vision)))
    images = torch.randint(256, (2, 16, 3, 196), dtype=torch.uint8)
    given = {ROWS: images, GRIDS: torch.tensor([[1, 4, 4]] * 2), FORM: torch.zeros(2)}
    rows = tower.get_encoder_cudagraph_item_specs(given)
    assert torch.equal(rows.view(32, 3, 2, 196), images.view(32, 3, 1, 196).expand(-1, -1, 2, -1))
    assert tower.select_encoder_cudagraph_items(given, [1]) is rows


def test_who_asks_only_what_a_model_takes_does_not_say_that_it_sends(config, monkeypatch, tmp_path):
    """As a command does that starts API servers, or engines for those of another."""
    lines = tmp_path / "status.jsonl"
    monkeypatch.setenv(status.VARIABLE, str(lines))
    monkeypatch.setenv(status.LAUNCH, "one")
    sent.say_what_is_sent.cache_clear()
    asked = config("linear")
    assert MULTIMODAL_REGISTRY.get_processing_info(asked).allowed_mm_limits
    assert status_lines.of_all(lines) == []
    MULTIMODAL_REGISTRY.create_processor(asked)
    (line,) = status_lines.of_all(lines)
    assert (line["role"], line["sends"]) == (status.SENDER, [])


@pytest.fixture
def untried(monkeypatch):
    """A version that was not tried, and an operator who wants it."""
    monkeypatch.setattr(vllm, "__version__", "0.99.0")
    monkeypatch.setenv("ENGINE_EXT_UNTRIED", "1")
    monkeypatch.setattr(sent, "_checked", {})


@pytest.mark.usefixtures("untried")
@pytest.mark.parametrize("family", checkpoints.FAMILIES)
def test_on_a_version_that_was_not_tried_it_is_the_same_once_it_has_come_out_so(is_stocks, family):
    is_stocks(family=family)


@pytest.mark.usefixtures("untried")
def test_and_sent_as_on_stock_where_it_has_not(model, monkeypatch):
    expected = pixel_values(model("linear"))
    monkeypatch.setattr(Patch, "rows", lambda patch, images, grids: images[0])
    assert torch.equal(pixel_values(model("pixels")), expected)
