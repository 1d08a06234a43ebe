"""A layer is asked whether it convolves: run on a tensor without data, it says by what it calls."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from engine_ext.patch_embed import PatchConv3d
from engine_ext.patch_embed.convolves import convolves

KERNEL = (2, 4, 4)


class Layer(nn.Module):
    """As an engine's own: ``compute`` is what its forward does."""

    def __init__(self, compute):
        super().__init__()
        self.in_channels, self.out_channels, self.kernel_size = 3, 8, KERNEL
        self.weight = nn.Parameter(torch.randn(8, 3, *KERNEL))
        self.bias = nn.Parameter(torch.randn(8))
        self.compute = compute

    def forward(self, patches):
        return self.compute(patches, self.weight, self.bias)


def convolution(patches, weight, bias):
    return F.conv3d(patches, weight, bias, stride=KERNEL)


def product(patches, weight, bias):
    return F.linear(patches.flatten(1), weight.flatten(1), bias)


def by_platform(patches, weight, bias):
    """Engines look at the version of torch and at the platform, not at the tensor."""
    return (convolution if torch.__version__ else product)(patches, weight, bias)


@pytest.mark.parametrize(
    ("compute", "expected"),
    [(convolution, True), (product, False), (by_platform, True)],
    ids=["a convolution", "a product", "by platform"],
)
def test_a_layer_of_an_engine(compute, expected):
    assert convolves(Layer(compute)) is expected


def test_a_conv3d_does_and_the_product_in_its_place_does_not():
    conv = nn.Conv3d(3, 8, KERNEL, stride=KERNEL)
    assert convolves(conv)
    assert not convolves(PatchConv3d.put_in_place(conv))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_whatever_its_weights_are(dtype, device):
    assert convolves(nn.Conv3d(3, 8, KERNEL, stride=KERNEL, dtype=dtype, device=device))


def test_the_layer_is_as_it_was():
    layer = Layer(convolution)
    before = {name: (value, value.clone()) for name, value in layer.named_parameters()}
    convolves(layer)
    for name, value in layer.named_parameters():
        assert value is before[name][0]
        assert torch.equal(value, before[name][1])
        assert value.grad is None


def test_a_layer_that_cannot_be_run_without_data_is_not_one():
    def by_value(patches, weight, bias):
        return convolution(patches, weight, bias) if weight.sum() > 0 else patches

    assert not convolves(Layer(by_value))


def test_nothing_is_compiled_for_it():
    torch._dynamo.reset()
    layer = Layer(torch.compile(convolution, backend="eager"))
    assert convolves(layer)
    assert not torch._dynamo.utils.counters["frames"]
