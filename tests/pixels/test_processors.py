"""Image processors of transformers, made to give pixels: restored, they are the rows of before."""

import copy

import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from engine_ext.pixels import NotByValue, PixelValues, restore
from engine_ext.pixels.processors import expect_known, give_pixels, gives_pixels, one_frame
from tests.pixels.processors import BACKENDS, FAMILIES, image_processor, row_width, values_of

transformers = pytest.importorskip("transformers", minversion="5")

SIZES = [(56, 56), (224, 57), (61, 199), (640, 427)]  # width and height


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
def values(family, backend):
    return values_of(family, backend)


@pytest.fixture
def ours(stock):
    found = copy.deepcopy(stock)
    give_pixels(found)
    return found


@pytest.fixture
def processor():
    """One to be changed."""
    return copy.deepcopy(image_processor("qwen3_vl", "torchvision"))


@pytest.fixture
def restores(ours, stock, values):
    """Whether the rows of both are the same, bit for bit, once those of pixels are restored."""

    def check(images, **settings):
        found = ours(images=images, return_tensors="pt", **settings)
        expected = stock(images=images, return_tensors="pt", **settings)
        pixels, rows = found["pixel_values"], expected["pixel_values"]
        assert torch.equal(found["image_grid_thw"], expected["image_grid_thw"])
        assert (pixels.dtype, pixels.shape[1]) == (torch.uint8, rows.shape[1] // 2)
        return torch.equal(restore(pixels.view(len(pixels), 3, -1), values, row_width(stock)), rows)

    return check


def photograph(size=(640, 427), mode="RGB"):
    whole = Image.fromarray(load_sample_image("china.jpg")).resize(size)
    if mode == "I;16":
        return whole.convert("L").convert("I").point(lambda value: value * 256).convert("I;16")
    return whole.convert(mode)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_restored_pixels_are_what_came_before_bit_for_bit(restores, size):
    assert restores([photograph(size)])


def test_several_images_at_once(restores):
    assert restores([photograph(size) for size in SIZES])


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "LA", "CMYK", "I;16"])
def test_other_modes_are_converted_as_before(restores, mode):
    assert restores([photograph(mode=mode)])


def test_a_size_of_the_request_is_kept(restores):
    assert restores([photograph()], size={"shortest_edge": 784, "longest_edge": 50176})


OTHERWISE = [{"do_normalize": False}, {"do_rescale": False}, {"image_mean": [0.1, 0.2, 0.3]}]


@pytest.mark.parametrize("setting", OTHERWISE, ids=str)
def test_what_a_request_sets_otherwise_is_processed_as_before(ours, stock, setting):
    asked = {"images": [photograph()], "return_tensors": "pt", **setting}
    assert torch.equal(ours(**asked)["pixel_values"], stock(**asked)["pixel_values"])


@pytest.mark.parametrize("setting", OTHERWISE, ids=str)
def test_or_it_is_an_error_where_the_engine_cannot_tell(setting, processor):
    strict = processor
    give_pixels(strict, is_strict=True)
    (name,) = setting
    with pytest.raises(ValueError, match=f"{name} is .*, expected images of 8 bits"):
        strict(images=[photograph()], return_tensors="pt", **setting)


def test_what_a_request_sets_to_what_is_configured_changes_nothing(restores):
    assert restores([photograph()], do_normalize=True, do_rescale=True)


def test_it_is_the_same_twice_and_in_a_copy(ours):
    give_pixels(ours)
    copied = copy.deepcopy(ours)
    assert gives_pixels(copied)
    assert type(copied) is type(ours)
    given = {"images": [photograph()], "return_tensors": "pt"}
    assert torch.equal(copied(**given)["pixel_values"], ours(**given)["pixel_values"])


def test_what_is_given_last_holds(processor):
    found = processor
    give_pixels(found)
    give_pixels(found, is_strict=True)
    with pytest.raises(ValueError, match="do_rescale is False"):
        found(images=[photograph()], return_tensors="pt", do_rescale=False)
    give_pixels(found, is_strict=True, ignored=("do_rescale",))
    pixels = found(images=[photograph()], return_tensors="pt", do_rescale=False)["pixel_values"]
    assert pixels.dtype == torch.uint8


def test_the_name_of_its_class_stays(ours, stock):
    assert type(ours).__name__ == type(stock).__name__


def test_other_numbers_of_the_model_are_followed(processor):
    processor.image_mean, processor.image_std = [0.1, 0.5, 0.9], [0.2, 0.3, 1.5]
    ours, images = copy.deepcopy(processor), [photograph()]
    give_pixels(ours)
    pixels, rows = (
        one(images=images, return_tensors="pt")["pixel_values"] for one in (ours, processor)
    )
    values = PixelValues.of(processor)
    assert torch.equal(restore(pixels.view(len(pixels), 3, -1), values, row_width(processor)), rows)


def test_a_processor_that_does_something_else_is_left_out():
    with pytest.raises(NotByValue, match="CLIPImageProcessor, expected one of transformers'"):
        expect_known(transformers.CLIPImageProcessor())


def test_so_is_another_package_s_of_a_known_name(processor):
    other = type("Qwen2VLImageProcessor", (type(processor),), {"__module__": "remote.code"})
    with pytest.raises(NotByValue, match=r"remote\.code\.Qwen2VLImageProcessor"):
        expect_known(other())


def test_and_one_whose_patches_have_one_frame(processor):
    processor.temporal_patch_size = 1
    with pytest.raises(NotByValue, match="one frame"):
        expect_known(processor)


def test_one_that_gives_pixels_is_known_too(ours):
    expect_known(ours)


def test_numbers_that_are_not_of_8_bits_are_no_pixels():
    rows = torch.zeros(4, 3 * 2 * 14 * 14)
    assert one_frame(rows, 14, 2).dtype == torch.uint8
    assert one_frame(rows + 0.5, 14, 2) is None
    assert one_frame(rows + 256, 14, 2) is None
    assert one_frame(rows[:, :100], 14, 2) is None
    assert one_frame([1, 2], 14, 2) is None
