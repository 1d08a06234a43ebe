"""Video processors of transformers, made to give raw pixels: what they left out gives the same."""

import copy

import pytest
import torch
from engine_ext.patch_embed.clips import KNOWN, give_clips, normalised
from engine_ext.patch_embed.fold import NotFoldable
from engine_ext.patch_embed.pixels import gives_pixels, normalisation_of
from torchvision.transforms.functional import resize

from evals import checkpoints

transformers = pytest.importorskip("transformers", minversion="5")


@pytest.fixture(params=checkpoints.FAMILIES)
def stock(request):
    folder = checkpoints.path(request.param)
    return transformers.AutoVideoProcessor.from_pretrained(folder)


@pytest.fixture
def ours(stock):
    found = copy.deepcopy(stock)
    give_clips(found)
    return found


def processed(processor, clip, **settings):
    given = {"do_sample_frames": False, "return_tensors": "pt", **settings}
    return processor(videos=[clip], **given)


def clip(height=112, width=140, frames=4):
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randint(256, (frames, 3, 20, 20), generator=generator, dtype=torch.uint8)
    return resize(coarse, [height, width], antialias=True)


@pytest.mark.parametrize("size", [(112, 140), (61, 199)], ids=str)
def test_normalising_raw_pixels_gives_what_came_before_bit_for_bit(ours, stock, size):
    found, expected = (processed(one, clip(*size)) for one in (ours, stock))
    raw, rows = found["pixel_values_videos"], expected["pixel_values_videos"]
    assert torch.equal(found["video_grid_thw"], expected["video_grid_thw"])
    assert (raw.dtype, raw.shape) == (torch.uint8, rows.shape)
    assert torch.equal(normalised(raw, normalisation_of(stock, KNOWN)), rows)


@pytest.mark.parametrize("setting", [{"do_normalize": False}, {"image_std": [0.1, 0.2, 0.3]}])
def test_what_a_request_sets_otherwise_is_processed_as_before(ours, stock, setting):
    found, expected = (processed(one, clip(), **setting) for one in (ours, stock))
    assert torch.equal(found["pixel_values_videos"], expected["pixel_values_videos"])


def test_so_are_frames_that_are_not_of_8_bits(ours, stock):
    found, expected = (processed(one, clip().float() + 0.25) for one in (ours, stock))
    assert torch.equal(found["pixel_values_videos"], expected["pixel_values_videos"])


def test_it_is_the_same_twice_and_in_a_copy(ours):
    give_clips(ours)
    copied = copy.deepcopy(ours)
    assert gives_pixels(copied)
    found, expected = (processed(one, clip()) for one in (copied, ours))
    assert torch.equal(found["pixel_values_videos"], expected["pixel_values_videos"])


def test_a_processor_of_images_is_none_of_clips():
    image = transformers.AutoImageProcessor.from_pretrained(checkpoints.path("qwen3_vl"))
    with pytest.raises(NotFoldable, match="expected one of transformers' Qwen2VLVideoProcessor"):
        normalisation_of(image, KNOWN)
