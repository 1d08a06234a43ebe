"""PatchConv3d is a Conv3d: the same function, the same module, the same everything but the time."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from engine_ext.patch_embed import NotAPatchProjection, PatchConv3d

EDGES = st.sampled_from([1, 2, 3, 5, 8, 14, 16])
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def convolutions(draw, min_out=1):
    kernel = draw(st.tuples(st.integers(1, 3), EDGES, EDGES).filter(lambda k: k != (1, 1, 1)))
    torch.manual_seed(draw(st.integers(0, 2**16)))
    channels, width = draw(st.integers(1, 4)), draw(st.integers(min_out, 96))
    conv = nn.Conv3d(channels, width, kernel, stride=kernel, bias=draw(st.booleans()))
    if draw(st.booleans()):
        conv = conv.to(memory_format=torch.channels_last_3d)
    return conv


def patches_for(conv, count, dtype=torch.float32):
    return torch.randn(count, conv.in_channels, *conv.kernel_size).to(dtype)


def product_of(conv):
    return PatchConv3d.put_in_place(copy.deepcopy(conv))


def relative(found, expected):
    return float((found - expected).detach().norm() / expected.detach().norm().clamp_min(1e-30))


def largest_sum(conv, frames):
    """What each output would be if no terms cancelled: the scale of its rounding error."""
    bias = None if conv.bias is None else conv.bias.abs()
    return F.conv3d(frames.abs(), conv.weight.abs(), bias, stride=conv.stride)


@settings(patient, max_examples=100)
@given(
    conv=convolutions(),
    batch=st.sampled_from([0, 1, 2, 7]),
    grid=st.tuples(*[st.integers(1, 3)] * 3),
    rest=st.tuples(*[st.integers(0, 1)] * 3),
)
def test_equals_conv3d(conv, batch, grid, rest):
    """One patch, frames of several, and what does not fill a patch."""
    sizes = [n * k + min(r, k - 1) for n, k, r in zip(grid, conv.kernel_size, rest, strict=True)]
    frames = torch.randn(batch, conv.in_channels, *sizes)
    found = product_of(conv)(frames)
    # In float32, torch 2.13 and 2.14 are wrong for one channel, a channels-last weight of (1, 1, 2)
    # and a rest: memory that nobody wrote. pytorch #82060 is the same in two dimensions.
    conv, frames = conv.double(), frames.double()
    expected = conv(frames)
    assert found.shape == expected.shape
    assert ((found - expected).abs() <= 1e-6 * largest_sum(conv, frames)).all()


@settings(patient, max_examples=50)
@given(conv=convolutions(min_out=16), dtype=st.sampled_from([torch.bfloat16, torch.float16]))
def test_rounds_no_worse_than_conv3d_in_half_precision(conv, dtype):
    conv = conv.to(dtype)
    patches = patches_for(conv, 257, dtype)
    exact = copy.deepcopy(conv).double()(patches.double())
    error_of_conv = relative(conv(patches).double(), exact)
    assert relative(product_of(conv)(patches).double(), exact) <= 1.05 * error_of_conv


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
    error = relative(product_of(conv)(patches).double(), exact)
    assert error <= max(1.05 * error_of_conv, 1e-6)


@pytest.fixture
def conv():
    torch.manual_seed(0)
    return nn.Conv3d(3, 32, (2, 14, 14), (2, 14, 14))


def test_frames_without_a_batch(conv):
    frames = torch.randn(3, 4, 28, 42)
    torch.testing.assert_close(product_of(conv)(frames), conv(frames))


@pytest.mark.parametrize("shape", [(4, 3, 2, 14, 14), (1, 3, 4, 28, 42)], ids=str)
def test_the_output_is_laid_out_as_the_convs_and_can_be_written_in_place(conv, shape):
    frames = torch.randn(shape)
    found, expected = product_of(conv)(frames), conv(frames)
    assert found.stride() == expected.stride()
    assert not found._is_view()
    torch.testing.assert_close(found.relu_(), expected.relu_())


def test_is_the_very_module_with_its_parameters_and_hooks(conv):
    conv.weight.weight_loader = "the engine's"
    module, weight, seen = conv, conv.weight, []
    conv.register_forward_pre_hook(lambda *_: seen.append("before"))
    conv.register_forward_hook(lambda *_: seen.append("after"))
    conv.register_full_backward_hook(lambda *_: seen.append("backward"))
    conv.register_state_dict_post_hook(lambda *_: seen.append("state"))
    PatchConv3d.put_in_place(conv)
    assert conv is module
    assert isinstance(conv, nn.Conv3d)
    assert conv.weight is weight
    assert conv.weight.weight_loader == "the engine's"
    conv(patches_for(conv, 2).requires_grad_()).sum().backward()
    conv.state_dict()
    assert seen == ["before", "after", "backward", "state"]


def test_shares_the_parameters_of_another_layer(conv):
    made = PatchConv3d.sharing(conv.eval())
    assert made.weight is conv.weight
    assert made.bias is conv.bias
    assert not made.training
    patches = patches_for(conv, 4)
    torch.testing.assert_close(made(patches), conv(patches))


def test_a_write_in_place_is_seen_at_once(conv):
    made, patches = product_of(conv), patches_for(conv, 4)
    with torch.no_grad():
        for one in (conv, made):
            one.weight.data.copy_(torch.full_like(one.weight, 0.01))
    torch.testing.assert_close(made(patches), conv(patches))


def test_loads_weights_in_checkpoint_layout_and_flattened(conv):
    other = nn.Conv3d(3, 32, (2, 14, 14), (2, 14, 14))
    patches = patches_for(conv, 4)
    for weight in (other.weight, other.weight.flatten(1)):
        made = product_of(conv)
        made.load_state_dict({"weight": weight.detach(), "bias": other.bias.detach()})
        assert made.weight.shape == (32, 3, 2, 14, 14)
        torch.testing.assert_close(made(patches), other(patches))
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        made.load_state_dict({"weight": torch.zeros(32, 1175), "bias": torch.zeros(32)})


def test_a_copy_and_a_pickle_are_independent(conv):
    made, patches = product_of(conv), patches_for(conv, 4)
    expected = made(patches)
    for twin in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert type(twin) is PatchConv3d
        assert torch.equal(twin(patches), expected)
        with torch.no_grad():
            twin.weight.zero_()
    assert torch.equal(made(patches), expected)


def test_follows_dtype_and_memory_format_moves(conv):
    patches = patches_for(conv, 4)
    expected = conv.double()(patches.double())
    made = product_of(conv).to(memory_format=torch.channels_last_3d)
    assert relative(made(patches.double()), expected) < 1e-12


def test_gradients_equal_those_of_the_conv(conv):
    made, patches, target = product_of(conv), patches_for(conv, 5), torch.randn(5, 32, 1, 1, 1)
    for one in (conv, made):
        (one(patches) * target).sum().backward()
    assert relative(made.weight.grad, conv.weight.grad) < 1e-5
    assert relative(made.bias.grad, conv.bias.grad) < 1e-5


class Embedding(nn.Module):
    """As the classes of transformers write it."""

    def __init__(self, conv):
        super().__init__()
        self.proj = conv

    def forward(self, rows):
        return self.proj(rows.view(-1, 3, 2, 14, 14)).view(-1, 32)


def test_traces_exports_and_compiles(conv):
    stock, ours = Embedding(conv), Embedding(product_of(conv))
    rows = torch.randn(6, 1176)
    expected = stock(rows)
    traced = torch.fx.symbolic_trace(ours)
    count = torch.export.Dim("count", min=2)
    exported = torch.export.export(ours, (rows,), dynamic_shapes=({0: count},)).module()
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager", dynamic=True)
    scripted, recorded = torch.jit.script(ours), torch.jit.trace(ours, (rows,))
    for found in (traced, exported, compiled, scripted, recorded):
        torch.testing.assert_close(found(rows), expected)
        torch.testing.assert_close(found(rows[:3]), expected[:3])
    assert not any("conv" in str(node.target) for node in exported.graph.nodes)


def test_no_convolution_is_computed(conv):
    made, patches = product_of(conv), patches_for(conv, 4)
    with torch.profiler.profile() as profile:
        made(patches)
    names = {event.key for event in profile.key_averages()}
    assert "aten::linear" in names
    assert not [name for name in names if "conv" in name]


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((4, 4, 2, 14, 14), "expected .N, 3, frames, height, width"),
        ((4, 1176), "expected .N, 3, frames, height, width"),
        ((2, 3, 1, 14, 14), "at least .2, 14, 14., found .1, 14, 14."),
    ],
)
def test_an_input_that_is_not_frames_of_patches_is_an_error(conv, shape, said):
    with pytest.raises((ValueError, RuntimeError), match=said):
        product_of(conv)(torch.zeros(shape))


def test_what_is_no_patch_projection_is_not_put_in_place():
    conv = nn.Conv3d(3, 8, 3, 1)
    with pytest.raises(NotAPatchProjection, match="windows overlap"):
        PatchConv3d.put_in_place(conv)
    assert type(conv) is nn.Conv3d
