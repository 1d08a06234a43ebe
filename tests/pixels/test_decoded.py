"""Images as they were decoded: what is made of them are the rows that a processor gives."""

import copy
import re

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from engine_ext.pixels import STEPS, compact_image
from engine_ext.pixels.decoded import (
    compact_rows,
    is_small,
    pixels_of,
    resizes_so,
    without_pixels,
)
from engine_ext.pixels.processors import asked_for_pixels, frames_written
from tests.pixels.processors import BACKENDS, FAMILIES, image_processor

TORCHVISION, PILLOW = BACKENDS
CALL = {**STEPS, "return_tensors": "pt"}


@pytest.fixture(params=FAMILIES)
def processor(request):
    return image_processor(request.param, TORCHVISION)


def photograph(width, height, mode="RGB"):
    return Image.effect_noise((width, height), 80).convert(mode)


def compact(processor, pictures):
    made = processor(images=pictures, **{**CALL, **asked_for_pixels(processor)})
    return compact_image(made["pixel_values"], 3, frames_written(processor)), made["image_grid_thw"]


def restored(processor, pictures, grids):
    cut = processor.patch_size, processor.merge_size
    each = zip(pictures, grids.tolist(), strict=True)
    return torch.cat([compact_rows(pixels_of(one), grid, *cut) for one, grid in each])


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(width=st.integers(1, 700), height=st.integers(1, 700))
def test_the_rows_are_those_of_the_processor(processor, width, height):
    picture = photograph(width, height)
    try:
        rows, grids = compact(processor, [picture])
    except ValueError as refused:  # too long, or too small for GLM-4V in transformers 4
        with pytest.raises(ValueError, match=re.escape(str(refused))):
            without_pixels(processor, [picture], CALL)
        return
    found = without_pixels(processor, [picture], CALL)
    assert torch.equal(found["image_grid_thw"], grids)
    assert torch.equal(restored(processor, [picture], grids), rows)


def test_so_are_those_of_several(processor):
    pictures = [photograph(*size) for size in [(640, 427), (61, 199), (640, 427), (3000, 2000)]]
    rows, grids = compact(processor, pictures)
    assert torch.equal(without_pixels(processor, pictures, CALL)["image_grid_thw"], grids)
    assert torch.equal(restored(processor, pictures, grids), rows)


@pytest.mark.parametrize(
    "asked",
    [
        {"do_normalize": True},
        {"do_rescale": True},
        {"resample": 2},
        {"device": "cuda"},
        {"input_data_format": "channels_last"},
    ],
    ids=str,
)
def test_other_settings_are_for_the_processor_alone(processor, asked):
    assert without_pixels(processor, [photograph(64, 64)], {**CALL, **asked}) is None


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "I;16"])
def test_so_are_pictures_of_other_modes_and_arrays(processor, mode):
    assert without_pixels(processor, [photograph(64, 64, "L").convert(mode)], CALL) is None
    assert without_pixels(processor, [pixels_of(photograph(64, 64))], CALL) is None


def test_a_backend_that_resizes_otherwise_is_left_alone():
    assert not resizes_so(image_processor("qwen3_vl", PILLOW))
    assert resizes_so(image_processor("qwen3_vl", TORCHVISION))


def test_a_picture_is_sent_where_it_has_few_bytes_beside_its_rows():
    picture = photograph(300, 200)
    assert is_small(picture, [1, 20, 10], 14.15)
    assert not is_small(picture, [1, 10, 10], 14.15)


def test_what_a_request_says_of_the_size_is_kept(processor):
    picture, asked = photograph(640, 427), {"size": {"shortest_edge": 784, "longest_edge": 50176}}
    made = without_pixels(processor, [picture], {**CALL, **asked})
    changed = copy.deepcopy(processor)
    changed.size = type(processor.size)(**asked["size"])
    rows, grids = compact(changed, [picture])
    assert torch.equal(made["image_grid_thw"], grids)
    assert torch.equal(restored(processor, [picture], grids), rows)
