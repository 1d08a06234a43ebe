"""The identity of rows of pixels: the same for the same, another for anything else."""

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine_ext.pixels import PixelValues, identity

VALUES = PixelValues(torch.arange(768.0).view(3, 256)).packed()
SHORT, LONG = 4, 8  # pixels of a row, of an image and of a video of the same model


@st.composite
def items(draw):
    """Of few pixels and two colours, so that many are alike."""
    modality = draw(st.sampled_from(["image", "video"]))
    area = SHORT if modality == "image" else LONG
    grid = draw(st.sampled_from([(1, 2, 2), (1, 4, 1), (1, 1, 4), (2, 2, 1), (2, 2, 2), (1, 2, 4)]))
    count = grid[0] * grid[1] * grid[2]
    colour = draw(st.sampled_from([0, 255]))
    pixels = torch.full((count, 3, area), colour, dtype=torch.uint8)
    if draw(st.booleans()):
        pixels[draw(st.integers(0, count - 1)), draw(st.integers(0, 2))] = 7
    return modality, pixels, torch.tensor([grid]), VALUES * draw(st.sampled_from([1.0, 2.0]))


def is_same(one, other):
    return one[0] == other[0] and all(map(torch.equal, one[1:], other[1:]))


@given(items(), items())
def test_two_items_share_it_only_if_they_are_the_same(one, other):
    assert (identity(*one) == identity(*other)) == is_same(one, other)


@given(items(), st.data())
def test_another_byte_anywhere_or_another_order_makes_another_item(item, data):
    modality, pixels, grid, values = item
    changed = pixels.clone()
    changed.view(-1)[data.draw(st.integers(0, pixels.numel() - 1))] ^= 1
    assert identity(modality, changed, grid, values) != identity(*item)
    turned = modality, pixels.flip(0), grid, values
    assert (identity(*turned) == identity(*item)) == is_same(turned, item)


def test_an_image_and_a_video_of_the_same_bytes_are_two():
    """As of one colour: 8 patches of an image are as many bytes as 4 of a video."""
    image = torch.full((8, 3, SHORT), 9, dtype=torch.uint8)
    video = torch.full((4, 3, LONG), 9, dtype=torch.uint8)
    assert image.flatten().equal(video.flatten())
    grids = torch.tensor([[1, 2, 4]]), torch.tensor([[1, 2, 2]])
    assert identity("image", image, grids[0], VALUES) != identity("video", video, grids[1], VALUES)


@pytest.mark.parametrize("grid", [torch.int32, torch.int64], ids=str)
def test_it_fits_into_64_bits_and_is_the_same_in_another_process(grid):
    made = (
        "import torch; from engine_ext.pixels import identity;"
        "print(identity('image', torch.arange(24, dtype=torch.uint8).view(2, 3, 4),"
        " torch.tensor([[1, 2, 1]]), torch.arange(768.0).view(3, 256)))"
    )
    there = subprocess.run([sys.executable, "-c", made], capture_output=True, check=True, text=True)
    pixels = torch.arange(24, dtype=torch.uint8).view(2, 3, 4)
    found = identity("image", pixels, torch.tensor([[1, 2, 1]], dtype=grid), VALUES)
    assert found == int(there.stdout)
    assert 0 <= found < 2**64
