"""Rounding of raw pixels through the folded kernel against float64, and what stock's is there."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from sklearn.datasets import load_sample_image

from engine_ext.patch_embed.clips import normalised
from engine_ext.patch_embed.fold import fold
from engine_ext.patch_embed.pixels import give_pixels, normalisation_of
from evals import checkpoints

transformers = pytest.importorskip("transformers", minversion="5")

WIDTHS = {"qwen2_5_vl": 1280, "qwen3_vl": 1152, "glm4v": 1536}  # of released models
SIZE = (1920, 1080)
IMAGES = ["photograph", "noise"]


@pytest.fixture(scope="module", params=WIDTHS)
def both(request):
    """The processor of stock, the same that gives pixels, and the width of the projection."""
    stock = transformers.AutoImageProcessor.from_pretrained(checkpoints.path(request.param))
    stock.size = {"shortest_edge": 3136, "longest_edge": 12845056}
    ours = copy.deepcopy(stock)
    give_pixels(ours)
    return stock, ours, WIDTHS[request.param]


def picture(kind):
    if kind == "photograph":
        return Image.fromarray(load_sample_image("flower.jpg")).resize(SIZE)
    noise = np.random.default_rng(0).integers(256, size=(*SIZE[::-1], 3), dtype=np.uint8)
    return Image.fromarray(noise)


def error(found, exact):
    return ((found.double() - exact).norm() / exact.norm()).item()


@pytest.mark.parametrize("kind", IMAGES)
def test_the_error_is_that_of_stock_at_most_1_05_times(both, kind):
    stock, ours, width = both
    pixels, rows = (
        one(images=[picture(kind)], return_tensors="pt")["pixel_values"][::8]
        for one in (ours, stock)
    )
    by, side = normalisation_of(stock), stock.patch_size
    torch.manual_seed(0)
    kernel = 0.02 * torch.randn(width, 3, 2, side, side), 0.02 * torch.randn(width)
    frames = pixels.view(len(pixels), 3, 1, -1).expand(-1, -1, 2, -1).flatten(1)
    found = {}
    for dtype in (torch.bfloat16, torch.float32):
        weight, bias = (each.to(dtype) for each in kernel)
        mean, std = (torch.tensor(v, dtype=torch.float64)[:, None] for v in (by.mean, by.std))
        values = (frames.double().view(len(pixels), 3, -1) * by.rescale - mean) / std
        exact = F.linear(values.flatten(1), weight.double().flatten(1), bias.double())
        of_stock = error(F.linear(rows.to(dtype), weight.flatten(1), bias), exact)
        found[dtype] = error(fold(weight, bias, by)(pixels), exact), of_stock
    ours_error, stock_error = found[torch.bfloat16]
    assert ours_error <= 1.05 * stock_error
    assert found[torch.float32][0] < 1e-6
    assert torch.equal(normalised(frames, by), rows)  # it is the same picture
