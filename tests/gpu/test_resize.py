"""Images resized on a GPU have the bytes that torch gives on a CPU."""

import sys

import pytest
import torch

from engine_ext.pixels.resize import resized
from evals.resized import differing, sizes

ways = sys.modules["engine_ext.pixels.resize.resized"]


@pytest.mark.parametrize("way", ["triton", "torch"])
def test_no_byte_differs(way):
    wrong = [each for each in sizes(300, 2000) if differing(way, *each, "cuda")]
    assert not wrong


def test_the_kernel_is_what_is_taken():
    assert ways._way(torch.device("cuda", 0)).__module__.endswith("by_triton")


@pytest.mark.parametrize("size", [(1080, 1920), (2160, 3840)], ids=str)
def test_large_images_come_out_the_same(size):
    image = torch.randint(256, (*size, 3), dtype=torch.uint8)
    for made in [(1092, 1932), (28, 28), (2184, 3864)]:
        assert torch.equal(resized(image.cuda(), *made).cpu(), resized(image, *made))
