"""Raw pixels of a still through the folded kernel: as normalised, doubled and projected."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_sample_image

from engine_ext.patch_embed.fold import Normalisation, NotFoldable, fold, round_keeping_sums

CLIP = Normalisation(
    1 / 255, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
)
HALF = Normalisation(1 / 255, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
SHAPES = {  # width, side and normalisation of released models
    "Qwen2.5-VL": (1280, 14, CLIP),
    "Qwen3-VL": (1152, 16, HALF),
    "GLM-4.1V": (1536, 14, CLIP),
}


@pytest.fixture(params=SHAPES)
def shape(request):
    return SHAPES[request.param]


@pytest.fixture
def kernel(shape):
    width, side, _ = shape
    torch.manual_seed(0)
    return 0.02 * torch.randn(width, 3, 2, side, side), 0.02 * torch.randn(width)


def photograph(side):
    """Patches (N, 3 * side * side) of a photograph."""
    pixels = torch.tensor(load_sample_image("china.jpg")).permute(2, 0, 1)
    windows = pixels.unfold(1, side, side).unfold(2, side, side)
    return windows.permute(1, 2, 0, 3, 4).reshape(-1, 3 * side * side)


def normalised(pixels, by, dtype):
    """What a processor makes of a still: each value twice, once for each frame."""
    values = pixels.view(len(pixels), 3, 1, -1).to(dtype) * by.rescale
    mean, std = (torch.tensor(each, dtype=dtype).view(3, 1, 1) for each in (by.mean, by.std))
    return ((values - mean) / std).expand(-1, -1, 2, -1).reshape(len(pixels), -1)


def exact(pixels, weight, bias, by):
    return F.linear(
        normalised(pixels, by, torch.float64), weight.double().flatten(1), bias.double()
    )


def error(found, expected):
    return ((found.double() - expected).norm() / expected.norm()).item()


def test_float32_is_the_projection_of_the_normalised_still(shape, kernel):
    _, side, by = shape
    pixels = photograph(side)
    assert error(fold(*kernel, by)(pixels), exact(pixels, *kernel, by)) < 1e-6


def test_bfloat16_is_no_worse_on_a_photograph_than_normalised_patches_are(shape, kernel):
    _, side, by = shape
    weight, bias = (each.bfloat16() for each in kernel)
    pixels = photograph(side)
    expected = exact(pixels, weight, bias, by)
    rows = normalised(pixels, by, torch.float32).bfloat16()
    stock = error(F.linear(rows, weight.flatten(1), bias), expected)
    assert error(fold(weight, bias, by)(pixels), expected) < stock


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("by", [CLIP, HALF], ids=["CLIP", "HALF"])
def test_pixels_less_their_centre_are_exact(by, dtype):
    pixels = torch.arange(256)
    for centre in by.centre:
        assert torch.equal((pixels.to(dtype) - centre).long(), pixels - centre)


def test_pixels_may_have_been_cast_on_their_way(kernel, shape):
    _, side, by = shape
    pixels = photograph(side)[:50]
    weight, bias = (each.bfloat16() for each in kernel)
    still = fold(weight, bias, by)
    assert torch.equal(still(pixels.bfloat16()), still(pixels))


def test_a_projection_without_a_bias_gets_one():
    weight = torch.randn(4, 3, 2, 2, 2)
    pixels = torch.randint(0, 256, (5, 12), dtype=torch.uint8)
    expected = exact(pixels, weight, torch.zeros(4), CLIP)
    assert error(fold(weight, None, CLIP)(pixels), expected) < 1e-6


@given(
    numbers=st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=60),
    dtype=st.sampled_from([torch.bfloat16, torch.float16]),
)
def test_sums_are_kept_and_every_number_is_one_of_its_neighbours(numbers, dtype):
    given_ = torch.tensor(numbers, dtype=torch.float64)[None]
    nearest = given_.to(dtype)
    found = round_keeping_sums(given_, dtype)
    away = (found.double() - given_).abs()
    steps = [
        (torch.nextafter(nearest, torch.full_like(nearest, end)) - nearest).double().abs()
        for end in (-torch.inf, torch.inf)
    ]
    assert (away <= torch.maximum(*steps)).all()

    def lost(rounded):
        return abs(float(rounded.double().sum() - given_.sum()))

    assert lost(found) <= lost(nearest) + 1e-12


def test_numbers_that_need_no_rounding_stay():
    exactly = torch.tensor([[1.0, -0.5, 0.0, 3.0]], dtype=torch.float64)
    assert torch.equal(round_keeping_sums(exactly, torch.bfloat16).double(), exactly)


@pytest.mark.parametrize(
    ("rescale", "mean", "std", "said"),
    [
        (1 / 255, (0.5, 0.5), (0.5, 0.5, 0.5), "2 means and 3 standard deviations"),
        (1 / 255, (), (), "0 means"),
        (1 / 255, (0.5,), (0.0,), "expected finite numbers above zero"),
        (0.0, (0.5,), (0.5,), "expected finite numbers above zero"),
        (1 / 255, (float("nan"),), (0.5,), "expected finite numbers"),
        (1 / 255, (2.0,), (0.5,), "expected a pixel value from 0 to 255"),
        (1 / 255, (-0.1,), (0.5,), "expected a pixel value from 0 to 255"),
    ],
)
def test_what_is_no_normalisation_is_said(rescale, mean, std, said):
    with pytest.raises(NotFoldable, match=said):
        Normalisation(rescale, mean, std)


def test_a_projection_of_other_channels_is_not_folded():
    with pytest.raises(NotFoldable, match="normalises 3 channels, the projection has 1"):
        fold(torch.randn(4, 1, 2, 2, 2), None, CLIP)
