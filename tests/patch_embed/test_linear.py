"""PatchLinear is the function of the convolution it replaces."""

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from engine_ext.patch_embed.linear import PatchLinear

EDGES = st.sampled_from([1, 2, 3, 5, 8, 14, 16])
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def convolutions(draw, min_out=1):
    kernel = draw(st.tuples(st.integers(1, 3), EDGES, EDGES).filter(lambda k: k != (1, 1, 1)))
    seed = draw(st.integers(0, 2**16))
    torch.manual_seed(seed)
    conv = nn.Conv3d(
        in_channels=draw(st.integers(1, 4)),
        out_channels=draw(st.integers(min_out, 96)),
        kernel_size=kernel,
        stride=kernel,
        bias=draw(st.booleans()),
    )
    if draw(st.booleans()):
        conv = conv.to(memory_format=torch.channels_last_3d)
    return conv


def patches_for(conv, count, dtype=torch.float32):
    return torch.randn(count, conv.in_channels, *conv.kernel_size).to(dtype)


def relative(found, expected):
    difference = (found - expected).detach().norm()
    return float(difference / expected.detach().norm().clamp_min(1e-30))


def largest_sum(conv, patches):
    """What each output would be if no terms cancelled: the scale of its rounding error."""
    bias = None if conv.bias is None else conv.bias.abs()
    return F.conv3d(patches.abs(), conv.weight.abs(), bias, stride=conv.stride)


@settings(patient, max_examples=150)
@given(conv=convolutions(), count=st.sampled_from([0, 1, 2, 7, 1025]))
def test_equals_conv3d_in_fp32(conv, count):
    patches = patches_for(conv, count)
    expected, scale = conv(patches), largest_sum(conv, patches)
    projection = PatchLinear.from_conv(conv)
    for found in (projection(patches), projection(patches.flatten(1)).view_as(expected)):
        assert ((found - expected).abs() <= 1e-6 * scale).all()
        if expected.numel() >= 64:  # the sums of fewer outputs may cancel to almost nothing
            assert relative(found, expected) < 1e-5


@settings(patient, max_examples=80)
@given(conv=convolutions(min_out=16), dtype=st.sampled_from([torch.bfloat16, torch.float16]))
def test_rounds_no_worse_than_conv3d_in_half_precision(conv, dtype):
    conv = conv.to(dtype)
    patches = patches_for(conv, 257, dtype)
    exact = copy.deepcopy(conv).double()(patches.double())
    error_of_conv = relative(conv(patches).double(), exact)
    error = relative(PatchLinear.from_conv(conv)(patches).double(), exact)
    assert error <= 1.05 * error_of_conv


@pytest.mark.parametrize(
    ("out_channels", "kernel", "bias"),
    [
        pytest.param(1280, (2, 14, 14), False, id="Qwen2-VL, Qwen2.5-VL"),
        pytest.param(1152, (2, 16, 16), True, id="Qwen3-VL"),
        pytest.param(1536, (2, 14, 14), True, id="GLM-4.1V, GLM-4.5V"),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_equals_conv3d_at_real_sizes(out_channels, kernel, bias, dtype):
    torch.manual_seed(0)
    conv = nn.Conv3d(3, out_channels, kernel, kernel, bias=bias).to(dtype)
    patches = patches_for(conv, 64, dtype)
    exact = copy.deepcopy(conv).double()(patches.double())
    error_of_conv = relative(conv(patches).double(), exact)
    error = relative(PatchLinear.from_conv(conv)(patches).double(), exact)
    assert error <= max(1.05 * error_of_conv, 1e-6)


@settings(patient, max_examples=60)
@given(
    conv=convolutions(),
    batch=st.integers(1, 2),
    grid=st.tuples(*[st.integers(1, 3)] * 3),
    rest=st.tuples(*[st.integers(0, 1)] * 3),
)
def test_equals_conv3d_on_frames_that_are_not_cut(conv, batch, grid, rest):
    sizes = [n * k + min(r, k - 1) for n, k, r in zip(grid, conv.kernel_size, rest, strict=True)]
    frames = torch.randn(batch, conv.in_channels, *sizes)
    expected = conv(frames)
    found = PatchLinear.from_conv(conv)(frames)
    assert found.shape == expected.shape
    assert ((found - expected).abs() <= 1e-6 * largest_sum(conv, frames)).all()


@pytest.fixture
def conv():
    torch.manual_seed(0)
    return nn.Conv3d(3, 32, (2, 14, 14), (2, 14, 14))


def test_holds_the_very_parameters_of_the_conv(conv):
    conv.weight.weight_loader = "the engine's"
    projection = PatchLinear.from_conv(conv)
    assert projection.weight is conv.weight
    assert projection.bias is conv.bias
    assert projection.weight.weight_loader == "the engine's"


def test_keeps_the_attributes_engines_read(conv):
    projection = PatchLinear.from_conv(conv)
    for name in (
        "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups"
    ):  # fmt: skip
        assert getattr(projection, name) == getattr(conv, name), name


def test_state_dict_is_that_of_the_conv(conv):
    expected = copy.deepcopy(conv.state_dict())
    found = PatchLinear.from_conv(conv).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_loads_weights_in_checkpoint_layout_and_flattened(conv):
    other = nn.Conv3d(3, 32, (2, 14, 14), (2, 14, 14))
    patches = patches_for(conv, 4)
    expected = other(patches)
    for weight in (other.weight, other.weight.flatten(1)):
        projection = PatchLinear.from_conv(copy.deepcopy(conv))
        projection.load_state_dict({"weight": weight.detach(), "bias": other.bias.detach()})
        assert projection.weight.shape == (32, 3, 2, 14, 14)
        assert relative(projection(patches), expected) < 1e-5


def test_refuses_a_flattened_weight_of_another_width(conv):
    projection = PatchLinear.from_conv(conv)
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        projection.load_state_dict({"weight": torch.zeros(32, 1175), "bias": torch.zeros(32)})


def test_follows_dtype_and_memory_format_moves(conv):
    patches = patches_for(conv, 4)
    expected = conv(patches).double()
    projection = PatchLinear.from_conv(conv).double().to(memory_format=torch.channels_last_3d)
    assert projection.weight.dtype == torch.float64
    assert relative(projection(patches.double()), expected) < 1e-6


def test_compiles_without_graph_breaks(conv):
    projection = PatchLinear.from_conv(conv)
    compiled = torch.compile(projection, fullgraph=True, backend="aot_eager")
    for patches in (patches_for(conv, 4), patches_for(conv, 4).flatten(1)):
        assert torch.equal(compiled(patches), projection(patches))


def test_gradients_equal_those_of_the_conv(conv):
    twin = copy.deepcopy(conv)
    patches = patches_for(conv, 5)
    target = torch.randn(5, 32, 1, 1, 1)
    (conv(patches) * target).sum().backward()
    (PatchLinear.from_conv(twin)(patches) * target).sum().backward()
    assert relative(twin.weight.grad, conv.weight.grad) < 1e-5
    assert relative(twin.bias.grad, conv.bias.grad) < 1e-5


@pytest.mark.parametrize("shape", [(4, 588), (4, 1177), (4, 4, 2, 14, 14), (3, 2, 14, 14), (1176,)])
def test_refuses_other_widths_rather_than_reshape_them(conv, shape):
    with pytest.raises(ValueError, match="1176"):
        PatchLinear.from_conv(conv)(torch.zeros(shape))


def test_refuses_parameters_of_another_shape(conv):
    geometry = PatchLinear.from_conv(conv).geometry
    with pytest.raises(ValueError, match=r"weight has shape \(32, 1176\), expected \(32, 3, 2, 14"):
        PatchLinear(geometry, nn.Parameter(conv.weight.flatten(1)), conv.bias)
