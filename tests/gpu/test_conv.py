"""PatchConv3d on a GPU is nn.Conv3d there, under every setting that has a say in either."""

import copy
from contextlib import contextmanager

import pytest
import torch
from torch import nn

from benchmarks.patch_embed.shapes import SHAPES
from engine_ext.patch_embed import PatchConv3d, verify

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
COUNT = 512


def conv_of(shape, dtype):
    """With weights of the size that trained ones have."""
    channels, *kernel = shape.patch
    conv = nn.Conv3d(channels, shape.width, kernel, kernel, bias=shape.bias)
    return conv.to("cuda", dtype).requires_grad_(False)


def product_of(conv):
    return PatchConv3d.put_in_place(copy.deepcopy(conv))


def patches_for(shape, dtype, count=COUNT):
    return torch.randn(count, *shape.patch, device="cuda", dtype=dtype)


def error(conv, patches, found):
    """Relative, against float64."""
    exact = copy.deepcopy(conv).double().cpu()(patches.double().cpu())
    return float((found.double().cpu() - exact).norm() / exact.norm())


@contextmanager
def setting(name):
    if name == "cuDNN off":
        with torch.backends.cudnn.flags(enabled=False):
            yield
        return
    if name == "TF32":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    elif name == "no TF32":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    elif name == "deterministic":
        torch.use_deterministic_algorithms(True)
    yield


@pytest.mark.parametrize("name", ["default", "cuDNN off", "TF32", "no TF32", "deterministic"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.shown)
def test_errs_no_more_than_the_convolution(shape, dtype, name, record_property):
    conv = conv_of(shape, dtype)
    patches = patches_for(shape, dtype, 64 if name == "cuDNN off" else COUNT)
    with setting(name):
        found, expected = product_of(conv)(patches), conv(patches)
        if name == "deterministic":
            assert torch.equal(product_of(conv)(patches), found)
    ours, theirs = (error(conv, patches, each) for each in (found, expected))
    record_property("errors", f"{ours:.3g} of the product, {theirs:.3g} of the convolution")
    # Sums in another order: up to a few roundings of the accumulator where theirs happens to be
    # exact, and in float32 TF32 where the engine has asked for it.
    assert ours <= 1.05 * theirs + 4 * torch.finfo(torch.float32).eps or (
        dtype == torch.float32 and name == "TF32" and ours < 1e-3
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_verifies_whatever_the_device_rounds_to(dtype):
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.use_deterministic_algorithms(True)
    with torch.autocast("cuda", torch.bfloat16):
        assert verify(product_of(conv_of(SHAPES[0], dtype))).difference < 1e-12


def test_frames_that_are_not_cut():
    conv = conv_of(SHAPES[1], torch.float32)
    frames = torch.randn(2, 3, 5, 70, 50, device="cuda")
    torch.backends.cudnn.allow_tf32 = False
    torch.testing.assert_close(product_of(conv)(frames), conv(frames), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_chooses_the_same_dtype(dtype):
    conv = conv_of(SHAPES[0], torch.float32)
    patches = patches_for(SHAPES[0], torch.float32)
    with torch.autocast("cuda", dtype):
        found, expected = product_of(conv)(patches), conv(patches)
    assert found.dtype == expected.dtype == dtype
    assert error(conv, patches, found) <= 1.05 * error(conv, patches, expected)


@torch.inference_mode()
def test_a_graph_replays_with_the_weights_that_are_there_now():
    conv = product_of(conv_of(SHAPES[2], torch.bfloat16))
    patches = patches_for(SHAPES[2], torch.bfloat16)
    conv(patches)  # cuBLAS allocates its workspace outside the graph
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = conv(patches)
    for _ in range(2):
        graph.replay()
        assert torch.equal(found, conv(patches))
        conv.weight.copy_(torch.randn_like(conv.weight))  # as a trainer does between two steps
        patches.copy_(torch.randn_like(patches))
    graph.replay()
    assert torch.equal(found, conv(patches))


@torch.inference_mode()
def test_compiles_whole_and_for_every_number_of_patches():
    shape = SHAPES[0]
    conv = product_of(conv_of(shape, torch.bfloat16))
    compiled = torch.compile(conv, fullgraph=True, dynamic=True)
    for count in (64, 200, 1024):
        patches = patches_for(shape, torch.bfloat16, count)
        torch.testing.assert_close(compiled(patches), conv(patches))
    conv.weight.mul_(2)
    torch.testing.assert_close(compiled(patches), conv(patches))


@torch.inference_mode()
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.shown)
def test_takes_no_more_memory_than_the_convolution(shape):
    conv, patches = conv_of(shape, torch.bfloat16), patches_for(shape, torch.bfloat16, 4096)

    def peak(layer):
        layer(patches)
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
        layer(patches)
        return torch.cuda.max_memory_allocated() - held

    assert peak(product_of(conv)) <= peak(conv)


@torch.inference_mode()
def test_no_convolution_kernel_runs():
    conv, patches = product_of(conv_of(SHAPES[0], torch.bfloat16)), None
    patches = patches_for(SHAPES[0], torch.bfloat16)
    with torch.profiler.profile() as profile:
        conv(patches)
        torch.cuda.synchronize()
    names = {event.key.lower() for event in profile.key_averages()}
    assert names
    assert not [name for name in names if "conv" in name and "conversion" not in name]
