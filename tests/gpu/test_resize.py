"""Images resized on a GPU have the bytes that torch gives on a CPU."""

import sys

import pytest
import torch

from engine_ext.pixels.resize import make_ready, resized
from evals.resized import differing, sizes

ways = sys.modules["engine_ext.pixels.resize.resized"]


@pytest.mark.parametrize("way", ["triton", "torch"])
def test_no_byte_differs(way):
    wrong = [each for each in sizes(300, 2000) if differing(way, *each, "cuda")]
    assert not wrong


def test_the_kernel_is_what_is_taken():
    assert ways._way(torch.device("cuda", 0)).__module__.endswith("by_triton")


def test_it_is_found_when_a_model_is_loaded_and_compiled_once_for_all_sizes():
    from engine_ext.pixels.resize.by_triton import _kernel

    ways._way.cache_clear()
    make_ready(torch.device("cuda", 0))
    assert ways._way.cache_info().currsize == 1
    for size, made in sizes(20, 500):
        resized(torch.zeros((*size, 3), dtype=torch.uint8, device="cuda"), *made)
    (compiled,) = (each[0] for each in _kernel.device_caches.values())
    assert len(compiled) == 1


@pytest.mark.parametrize("size", [(1080, 1920), (2160, 3840)], ids=str)
def test_large_images_come_out_the_same(size):
    image = torch.randint(256, (*size, 3), dtype=torch.uint8)
    for made in [(1092, 1932), (28, 28), (2184, 3864)]:
        assert torch.equal(resized(image.cuda(), *made).cpu(), resized(image, *made))
