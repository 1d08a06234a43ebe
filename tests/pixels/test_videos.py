"""Video processors of transformers, made to give pixels: restored, they are the rows of before."""

import copy

import pytest
import torch
from torchvision.transforms.functional import resize

from engine_ext.pixels import NotByValue, PixelValues, restore
from engine_ext.pixels.processors import expect_known, gives_pixels
from engine_ext.pixels.videos import KNOWN, give_clips
from tests.pixels.processors import (
    BACKENDS,
    FAMILIES,
    image_processor,
    row_width,
    video_processor,
)

pytest.importorskip("transformers", minversion="5")


@pytest.fixture(params=FAMILIES)
def stock(request):
    return video_processor(request.param)


@pytest.fixture
def ours(stock):
    found = copy.deepcopy(stock)
    give_clips(found)
    return found


def processed(processor, frames, **settings):
    given = {"do_sample_frames": False, "return_tensors": "pt", **settings}
    return processor(videos=[frames], **given)


def video(height=112, width=140, frames=4):
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(256, (frames, 3, 20, 20), generator=generator, dtype=torch.uint8)
    return resize(coarse, [height, width], antialias=True)


@pytest.mark.parametrize("size", [(112, 140), (61, 199)], ids=str)
def test_restored_pixels_are_what_came_before_bit_for_bit(ours, stock, size):
    found, expected = (processed(one, video(*size)) for one in (ours, stock))
    pixels, rows = found["pixel_values_videos"], expected["pixel_values_videos"]
    assert torch.equal(found["video_grid_thw"], expected["video_grid_thw"])
    assert (pixels.dtype, pixels.shape) == (torch.uint8, rows.shape)
    values = PixelValues.of(stock)
    assert torch.equal(restore(pixels.view(len(pixels), 3, -1), values, row_width(stock)), rows)


@pytest.mark.parametrize("setting", [{"do_normalize": False}, {"image_std": [0.1, 0.2, 0.3]}])
def test_what_a_request_sets_otherwise_is_processed_as_before(ours, stock, setting):
    found, expected = (processed(one, video(), **setting) for one in (ours, stock))
    assert torch.equal(found["pixel_values_videos"], expected["pixel_values_videos"])


def test_so_are_frames_that_are_not_of_8_bits(ours, stock):
    found, expected = (processed(one, video().float() + 0.25) for one in (ours, stock))
    assert torch.equal(found["pixel_values_videos"], expected["pixel_values_videos"])


def test_it_is_the_same_twice_and_in_a_copy(ours):
    give_clips(ours)
    copied = copy.deepcopy(ours)
    assert gives_pixels(copied)
    found, expected = (processed(one, video()) for one in (copied, ours))
    assert torch.equal(found["pixel_values_videos"], expected["pixel_values_videos"])


def test_a_processor_of_images_is_none_of_videos():
    image = image_processor("qwen3_vl", BACKENDS[0])
    with pytest.raises(NotByValue, match="expected one of transformers' Qwen2VLVideoProcessor"):
        expect_known(image, KNOWN)
