"""vLLM's processors that give raw pixels: what requests may ask, and what caches know them by."""

import pytest
import torch
from PIL import Image
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
    picture = Image.effect_noise((128, 96), 60).convert("RGB")
    items = processor.info.parse_mm_data({"image": [picture]})
    inputs = processor(PROMPT, mm_items=items, hf_processor_mm_kwargs=asked)
    return inputs["mm_kwargs"]["image"][0]["pixel_values"].data


@pytest.mark.parametrize("on_device", [True, False])
def test_images_are_one_frame_of_8_bits(model, on_device):
    found = pixel_values(model(mm_device_do_normalize=on_device))
    assert (found.dtype, found.shape[1]) == (torch.uint8, PATCH // 2)


@pytest.mark.parametrize("asked", OTHERWISE, ids=str)
def test_what_a_request_sets_is_ignored_where_vllm_normalises_on_the_device(model, asked):
    found = pixel_values(model(mm_device_do_normalize=True), **asked)
    assert (found.dtype, found.shape[1]) == (torch.uint8, PATCH // 2)


@pytest.mark.parametrize("asked", OTHERWISE, ids=str)
def test_it_is_an_error_that_names_it_otherwise(model, asked):
    (name,) = asked
    with pytest.raises(ValueError, match=r"Failed to apply|expected") as error:
        pixel_values(model(mm_device_do_normalize=False), **asked)
    reasons = [str(one) for one in (error.value, error.value.__cause__) if one is not None]
    assert any(f"{name} is" in reason and "expected" in reason for reason in reasons)


def test_a_size_of_the_request_is_kept(model):
    processor = model()
    size = {"shortest_edge": 1024, "longest_edge": 64 * 64}
    found = pixel_values(processor, size=size)
    assert found.shape[1] == PATCH // 2
    assert len(found) < len(pixel_values(processor))


def test_caches_know_it_from_stock(model):
    assert model().info.model_id == f"{checkpoints.path(FAMILY)}, engine_ext pixels"
