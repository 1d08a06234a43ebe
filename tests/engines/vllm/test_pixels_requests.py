"""vLLM's processors that give one frame of an image: repeated, it is what stock sends."""

import json

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

from engine_ext.vllm import overrides, pixels
from evals import checkpoints
from tests.engines.limits import with_pixels

FAMILY = "qwen3_vl"
FRAMES, AREA = 2, 16 * 16
PICTURE = Image.effect_noise((128, 96), 60).convert("RGB")
PROMPTS = {"glm4v": "<|begin_of_image|><|image|><|end_of_image|>"}
PROMPT = "<|vision_start|><|image_pad|><|vision_end|>"
OTHERWISE = [{"do_normalize": False}, {"image_mean": [0.1, 0.2, 0.3]}, {"rescale_factor": 1.0}]

pytestmark = with_pixels


@pytest.fixture
def model(monkeypatch):
    """Makes processors as the API server does, of a family; those of `linear` are stock's."""

    def make(features="pixels", family=FAMILY, **settings):
        monkeypatch.setenv("ENGINE_EXT", features)
        _forget_overrides()
        load_general_plugins()
        limits = {"image": 2, "video": 0}
        path = str(checkpoints.path(family))
        config = ModelConfig(model=path, limit_mm_per_prompt=limits, **settings)
        return MULTIMODAL_REGISTRY.create_processor(config)

    yield make
    _forget_overrides()


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


def pixel_values(processor, picture=PICTURE, prompt=PROMPT, **asked):
    items = processor.info.parse_mm_data({"image": [picture]})
    inputs = processor(prompt, mm_items=items, hf_processor_mm_kwargs=asked)
    return inputs["mm_kwargs"]["image"][0]["pixel_values"].data


@pytest.fixture
def is_stocks(model):
    """Whether what is sent, each frame of it, is what stock sends; its dtype if so."""

    def check(picture=PICTURE, asked=None, family=FAMILY, **settings):
        found, expected = (
            pixel_values(
                model(features, family, **settings),
                picture,
                PROMPTS.get(family, PROMPT),
                **(asked or {}),
            )
            for features in ("pixels", "linear")
        )
        assert found.dim() == 3
        assert found.shape[1] == 3
        assert torch.equal(pixels.every_frame(found, FRAMES), expected)
        return found.dtype

    return check


@pytest.mark.parametrize("family", checkpoints.FAMILIES)
def test_an_image_is_one_frame_of_what_stock_sends(is_stocks, family):
    assert is_stocks(family=family) == torch.uint8


ARRAYS = {
    "floats from 0 to 1": np.random.default_rng(0).random((60, 90, 3), dtype=np.float32),
    "fractions": np.random.default_rng(0).random((60, 90, 3), dtype=np.float32) * 255,
    "16 bits": np.random.default_rng(0).integers(0, 2**16, (60, 90, 3), dtype=np.uint16),
    "32 bits": np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.int32),
    "whole floats": np.random.default_rng(0).integers(0, 256, (60, 90, 3)).astype(np.float32),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_so_is_an_array_of_any_dtype_that_is_resized(is_stocks, model, kind):
    try:
        pixel_values(model("linear"), ARRAYS[kind])
    except ValueError:
        with pytest.raises(ValueError, match="Failed to apply"):
            pixel_values(model("pixels"), ARRAYS[kind])
    else:
        is_stocks(ARRAYS[kind])


@pytest.mark.parametrize("on_device", [True, False])
@pytest.mark.parametrize("asked", [{}, *OTHERWISE], ids=str)
def test_and_under_settings_of_the_request_wherever_vllm_normalises(is_stocks, asked, on_device):
    is_stocks(asked=asked, mm_device_do_normalize=on_device)


def test_a_size_of_the_request_is_kept(is_stocks):
    is_stocks(asked={"size": {"shortest_edge": 1024, "longest_edge": 64 * 64}})


def test_frames_of_the_request_are_an_error_where_no_tower_takes_them(model):
    with pytest.raises(ValueError, match=r"expected rows of 1536 values, by the model's temporal"):
        pixel_values(model(), temporal_patch_size=4)


@pytest.mark.parametrize("family", checkpoints.FAMILIES)
def test_stock_refuses_one_frame(family):
    """By name of shape, in each class that takes images."""
    config = json.loads((checkpoints.path(family) / "config.json").read_text())
    (architecture,) = config["architectures"]
    stock = ModelRegistry._try_load_model_cls(architecture)
    grid = torch.tensor([[1, 2, 2]])
    rows = torch.zeros(4, 3, AREA, dtype=torch.uint8)
    with pytest.raises(ValueError, match="pixel_values has rank 3 but expected 2"):
        stock._parse_and_validate_image_input(None, pixel_values=rows, image_grid_thw=grid)


@pytest.fixture
def untried(monkeypatch):
    """A version that was not tried, and an operator who wants it."""
    monkeypatch.setattr(vllm, "__version__", "0.99.0")
    monkeypatch.setenv("ENGINE_EXT_UNTRIED", "1")
    monkeypatch.setattr(pixels, "_checked", {})


@pytest.mark.usefixtures("untried")
@pytest.mark.parametrize("family", checkpoints.FAMILIES)
def test_on_a_version_that_was_not_tried_it_is_the_same_once_it_has_come_out_so(is_stocks, family):
    is_stocks(family=family)


@pytest.mark.usefixtures("untried")
def test_and_sent_as_on_stock_where_it_has_not(model, monkeypatch):
    expected = pixel_values(model("linear"))
    monkeypatch.setattr(pixels, "every_frame", lambda rows, frames: rows)
    assert torch.equal(pixel_values(model("pixels")), expected)
