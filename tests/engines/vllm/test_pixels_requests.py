"""vLLM's processors that give raw pixels: what requests may ask, and what caches know them by."""

import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor
from vllm import ModelRegistry
from vllm.config import ModelConfig
from vllm.multimodal import MULTIMODAL_REGISTRY
from vllm.plugins import load_general_plugins

from engine_ext.vllm import overrides
from evals import checkpoints
from tests.engines.limits import with_pixels

PIXELS = {"ENGINE_EXT": "linear,pixels"}
FAMILY = "qwen3_vl"
PATCH = 3 * 2 * 16 * 16
PICTURE = Image.effect_noise((128, 96), 60).convert("RGB")
PROMPT = "<|vision_start|><|image_pad|><|vision_end|>"
OTHERWISE = [{"do_normalize": False}, {"image_mean": [0.1, 0.2, 0.3]}, {"rescale_factor": 1.0}]

pytestmark = with_pixels


@pytest.fixture
def model(monkeypatch):
    """Makes processors as the API server does, with pixels on."""
    monkeypatch.setenv(*next(iter(PIXELS.items())))
    _forget_overrides()
    load_general_plugins()

    def make(**settings):
        limits = {"image": 2, "video": 0}
        path = str(checkpoints.path(FAMILY))
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


def pixel_values(processor, **asked):
    items = processor.info.parse_mm_data({"image": [PICTURE]})
    inputs = processor(PROMPT, mm_items=items, hf_processor_mm_kwargs=asked)
    return inputs["mm_kwargs"]["image"][0]["pixel_values"].data


def test_images_are_one_frame_of_8_bits(model):
    found = pixel_values(model())
    assert (found.dtype, found.shape[1]) == (torch.uint8, PATCH // 2)


@pytest.mark.parametrize("asked", OTHERWISE, ids=str)
def test_what_a_request_sets_is_ignored_where_vllm_normalises_on_the_device(model, asked):
    found = pixel_values(model(mm_device_do_normalize=True), **asked)
    assert (found.dtype, found.shape[1]) == (torch.uint8, PATCH // 2)


@pytest.mark.parametrize("asked", [{}, *OTHERWISE], ids=str)
def test_where_it_normalises_on_the_host_images_come_as_before(model, asked):
    """Also in a process in which the same model gave pixels."""
    pixel_values(model(mm_device_do_normalize=True))
    found = pixel_values(model(mm_device_do_normalize=False), **asked)
    stock = AutoImageProcessor.from_pretrained(checkpoints.path(FAMILY))
    expected = stock(PICTURE, return_tensors="pt", **asked)["pixel_values"]
    assert found.equal(expected.to(found.dtype))


def test_a_size_of_the_request_is_kept(model):
    processor = model()
    size = {"shortest_edge": 1024, "longest_edge": 64 * 64}
    found = pixel_values(processor, size=size)
    assert found.shape[1] == PATCH // 2
    assert len(found) < len(pixel_values(processor))


def test_caches_know_it_from_stock(model):
    assert model().info.model_id == f"{checkpoints.path(FAMILY)}, engine_ext pixels"
