"""Processors of transformers, asked for pixels: restored, they are the rows of stock."""

import copy

import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from engine_ext.pixels import STEPS, NotByValue, PixelValues, compact_image, restore
from engine_ext.pixels.processors import (
    IMAGES,
    VIDEOS,
    asked_for_pixels,
    expect_known,
    frames_written,
    row_width,
)
from tests.pixels.processors import (
    BACKENDS,
    FAMILIES,
    IS_OLD,
    image_processor,
    values_of,
    video_processor,
)

transformers = pytest.importorskip("transformers")

SIZES = [(56, 56), (224, 57), (61, 199), (640, 427), (2000, 3000)]  # width and height
LARGE = [pytest.param(size, marks=pytest.mark.slow) for size in [(3840, 2160), (4096, 21)]]


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture
def stock(family, backend):
    return image_processor(family, backend)


@pytest.fixture
def restores(family, backend, stock):
    """Whether rows and grids are stock's, once those of pixels are restored."""

    def check(images, values=None, **settings):
        call = {"images": images, "return_tensors": "pt", **settings}
        found, expected = stock(**call, **asked_for_pixels(stock)), stock(**call)
        assert torch.equal(found["image_grid_thw"], expected["image_grid_thw"])
        pixels = compact_image(found["pixel_values"], 3, frames_written(stock))
        assert pixels.shape[1:] == (3, stock.patch_size**2)
        values = values or values_of(family, backend)
        return torch.equal(restore(pixels, values, row_width(stock)), expected["pixel_values"])

    return check


@pytest.fixture
def processor():
    """One to be changed."""
    return copy.deepcopy(image_processor("qwen3_vl", BACKENDS[0]))


def photograph(size=(640, 427), mode="RGB"):
    whole = Image.fromarray(load_sample_image("china.jpg")).resize(size)
    if mode == "I;16":
        return whole.convert("L").convert("I").point(lambda value: value * 256).convert("I;16")
    return whole.convert(mode)


@pytest.mark.parametrize("size", [*SIZES, *LARGE], ids=str)
def test_restored_pixels_are_what_stock_gives(restores, size):
    """To where GLM-4V's limit makes an image smaller, which counts frames."""
    assert restores([photograph(size)])


def test_so_are_several_images_at_once(restores):
    assert restores([photograph(size) for size in SIZES[:4]])


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "LA", "CMYK", "I;16"])
def test_other_modes_are_converted_as_on_stock(restores, mode):
    assert restores([photograph(mode=mode)])


def test_a_size_of_the_request_is_kept(restores):
    assert restores([photograph()], size={"shortest_edge": 784, "longest_edge": 50176})


def test_an_image_is_written_once_where_its_size_has_nothing_to_do_with_it(family, stock):
    assert frames_written(stock) == (2 if family == "glm4v" else 1)


def test_other_numbers_of_the_model_are_followed(processor):
    processor.image_mean, processor.image_std = [0.1, 0.5, 0.9], [0.2, 0.3, 1.5]
    call = {"images": [photograph()], "return_tensors": "pt"}
    raw = processor(**call, **asked_for_pixels(processor))["pixel_values"]
    values, pixels = PixelValues.of(processor), compact_image(raw, 3, frames_written(processor))
    expected = processor(**call)["pixel_values"]
    assert torch.equal(restore(pixels, values, row_width(processor)), expected)


@pytest.mark.parametrize("by", [0.25, 0.5, 1 / 255])
def test_what_is_of_floats_is_no_pixels(stock, by, backend):
    if backend in ("pil", "slow") and by != 1 / 255:
        pytest.skip("takes floats from 0 to 1 alone")
    array = torch.from_numpy(load_sample_image("china.jpg").copy()).permute(2, 0, 1) * by
    raw = stock(images=[array], return_tensors="pt", **asked_for_pixels(stock))["pixel_values"]
    assert compact_image(raw, 3, frames_written(stock)) is None


@pytest.mark.skipif(IS_OLD, reason="transformers 4 samples frames by another call")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_whole_numbers_in_another_dtype_are_pixels_or_left_to_stock(stock, family, backend, dtype):
    array = torch.from_numpy(load_sample_image("china.jpg").copy()).permute(2, 0, 1).to(dtype)
    call = {"images": [array], "return_tensors": "pt"}
    raw = stock(**call, **asked_for_pixels(stock))["pixel_values"]
    pixels = compact_image(raw, 3, frames_written(stock))
    if pixels is not None:
        found = restore(pixels, values_of(family, backend), row_width(stock))
        assert torch.equal(found, stock(**call)["pixel_values"].to(found.dtype))


def test_every_processor_of_the_families_is_known(stock, family):
    expect_known(stock)
    expect_known(video_processor(family), VIDEOS)


def test_a_processor_of_images_is_none_of_videos(stock):
    with pytest.raises(NotByValue, match="Qwen2VLVideoProcessor"):
        expect_known(stock, VIDEOS)


def test_a_processor_that_does_something_else_is_not_known():
    with pytest.raises(NotByValue, match="CLIPImageProcessor, expected one of transformers'"):
        expect_known(transformers.CLIPImageProcessor())


def test_nor_is_another_package_s_of_a_known_name(processor):
    (name,) = {type(processor).__name__} & IMAGES
    other = type(name, (type(processor),), {"__module__": "remote.code"})
    with pytest.raises(NotByValue, match=rf"remote\.code\.{name}"):
        expect_known(other())


def test_frames_of_a_video_that_are_no_whole_numbers_are_no_pixels(family):
    from engine_ext.pixels import compact_video

    clip = torch.rand(4, 3, 112, 140) * 255
    call = {"videos": [clip], "do_sample_frames": False, "return_tensors": "pt", **STEPS}
    assert compact_video(video_processor(family)(**call)["pixel_values_videos"], 3) is None
