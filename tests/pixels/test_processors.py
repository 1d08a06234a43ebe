"""Image processors of transformers, made to give raw pixels: the same projection comes out."""

import copy

import pytest
import torch
import torch.nn.functional as F
from engine_ext.patch_embed.fold import NotFoldable, fold
from engine_ext.patch_embed.pixels import as_stills, give_pixels, gives_pixels, normalisation_of
from PIL import Image
from sklearn.datasets import load_sample_image

from evals import checkpoints

transformers = pytest.importorskip("transformers", minversion="5")

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
SIZES = [(56, 56), (224, 57), (61, 199), (640, 427)]  # width and height


@pytest.fixture(params=["torchvision", "pil"])
def backend(request):
    return request.param


@pytest.fixture(params=checkpoints.FAMILIES)
def stock(request, backend):
    return processor(request.param, backend)


@pytest.fixture
def ours(stock):
    found = copy.deepcopy(stock)
    give_pixels(found)
    return found


def processor(family="qwen3_vl", backend="torchvision"):
    folder = checkpoints.path(family)
    return transformers.AutoImageProcessor.from_pretrained(folder, backend=backend)


def photograph(size=(640, 427), mode="RGB"):
    whole = Image.fromarray(load_sample_image("china.jpg")).resize(size)
    if mode == "I;16":
        return whole.convert("L").convert("I").point(lambda value: value * 256).convert("I;16")
    return whole.convert(mode)


def projected(rows, still=None, of=None):
    """By a projection with random weights, in float32: of normalised rows, or of pixels."""
    side = of.patch_size
    torch.manual_seed(0)
    weight, bias = 0.02 * torch.randn(96, 3, 2, side, side), 0.02 * torch.randn(96)
    if still is not None:
        return fold(weight, bias, still)(rows)
    return F.linear(rows, weight.flatten(1), bias)


def assert_the_same(ours, stock, images, **settings):
    found = ours(images=images, return_tensors="pt", **settings)
    expected = stock(images=images, return_tensors="pt", **settings)
    pixels, rows = found["pixel_values"], expected["pixel_values"]
    assert torch.equal(found["image_grid_thw"], expected["image_grid_thw"])
    assert (pixels.dtype, pixels.shape[1]) == (torch.uint8, rows.shape[1] // 2)
    by_pixels = projected(pixels, normalisation_of(stock), of=stock)
    by_rows = projected(rows, of=stock)
    assert ((by_pixels - by_rows).norm() / by_rows.norm()).item() < 1e-5


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pixels_project_as_what_came_before(ours, stock, size):
    assert_the_same(ours, stock, [photograph(size)])


def test_several_images_at_once(ours, stock):
    assert_the_same(ours, stock, [photograph(size) for size in SIZES])


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "LA", "CMYK", "I;16"])
def test_other_modes_are_converted_as_before(ours, stock, mode):
    assert_the_same(ours, stock, [photograph(mode=mode)])


def test_a_size_of_the_request_is_kept(ours, stock):
    assert_the_same(ours, stock, [photograph()], size={"shortest_edge": 784, "longest_edge": 50176})


OTHERWISE = [{"do_normalize": False}, {"do_rescale": False}, {"image_mean": [0.1, 0.2, 0.3]}]


@pytest.mark.parametrize("setting", OTHERWISE, ids=str)
def test_what_a_request_sets_otherwise_is_processed_as_before(ours, stock, setting):
    asked = {"images": [photograph()], "return_tensors": "pt", **setting}
    assert torch.equal(ours(**asked)["pixel_values"], stock(**asked)["pixel_values"])


@pytest.mark.parametrize("setting", OTHERWISE, ids=str)
def test_or_it_is_an_error_where_the_engine_cannot_tell(setting):
    strict = processor()
    give_pixels(strict, is_strict=True)
    (name,) = setting
    with pytest.raises(ValueError, match=f"{name} is .*, expected images of 8 bits"):
        strict(images=[photograph()], return_tensors="pt", **setting)


def test_what_a_request_sets_to_what_is_configured_changes_nothing(ours, stock):
    assert_the_same(ours, stock, [photograph()], do_normalize=True, do_rescale=True)


def test_it_is_the_same_twice_and_in_a_copy(ours):
    give_pixels(ours)
    copied = copy.deepcopy(ours)
    assert gives_pixels(copied)
    assert type(copied) is type(ours)
    given = {"images": [photograph()], "return_tensors": "pt"}
    assert torch.equal(copied(**given)["pixel_values"], ours(**given)["pixel_values"])


def test_what_is_given_last_holds():
    found = processor()
    give_pixels(found)
    give_pixels(found, is_strict=True)
    with pytest.raises(ValueError, match="do_rescale is False"):
        found(images=[photograph()], return_tensors="pt", do_rescale=False)
    give_pixels(found, is_strict=True, ignored=("do_rescale",))
    pixels = found(images=[photograph()], return_tensors="pt", do_rescale=False)["pixel_values"]
    assert pixels.dtype == torch.uint8


def test_the_name_of_its_class_stays(ours, stock):
    assert type(ours).__name__ == type(stock).__name__


def test_a_processor_that_does_something_else_is_left_out():
    with pytest.raises(NotFoldable, match="CLIPImageProcessor, expected one of transformers'"):
        normalisation_of(transformers.CLIPImageProcessor())


def test_so_is_another_package_s_of_a_known_name():
    other = type("Qwen2VLImageProcessor", (type(processor()),), {"__module__": "remote.code"})
    with pytest.raises(NotFoldable, match=r"remote\.code\.Qwen2VLImageProcessor"):
        normalisation_of(other())


def test_and_one_whose_patches_have_one_frame():
    found = processor()
    found.temporal_patch_size = 1
    with pytest.raises(NotFoldable, match="one frame"):
        normalisation_of(found)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"image_std": [0.5, 0.0, 0.5]}, "expected finite numbers above zero"),
        ({"image_mean": [0.5, 0.5]}, "2 means and 3 standard deviations"),
        ({"rescale_factor": -1.0}, "expected finite numbers above zero"),
    ],
    ids=str,
)
def test_and_one_whose_numbers_are_not_those_of_such_a_step(setting, said):
    found = processor()
    for name, value in setting.items():
        setattr(found, name, value)
    with pytest.raises(NotFoldable, match=said):
        normalisation_of(found)


def test_steps_that_are_off_are_no_steps():
    found = processor()
    found.do_normalize = False
    assert normalisation_of(found).mean == (0.0, 0.0, 0.0)
    found.do_rescale = False
    assert normalisation_of(found).rescale == 1.0


def test_numbers_that_are_not_of_8_bits_are_no_pixels():
    rows = torch.zeros(4, 3 * 2 * 14 * 14)
    assert as_stills(rows, 14, 2).dtype == torch.uint8
    assert as_stills(rows + 0.5, 14, 2) is None
    assert as_stills(rows + 256, 14, 2) is None
    assert as_stills(rows[:, :100], 14, 2) is None
    assert as_stills([1, 2], 14, 2) is None
