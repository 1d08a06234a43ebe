"""vLLM's own layer is asked what it computes, on whichever path its platform has it take."""

import pytest
import torch

from engine_ext.patch_embed.convolves import convolves

conv = pytest.importorskip("vllm.model_executor.layers.conv", reason="this vLLM has no such layer")
CHANNELS, KERNEL = 3, (2, 14, 14)


@pytest.fixture
def layer():
    """The layer of a patch embedding, in the dtype of a model that is being loaded."""
    from vllm.config import VllmConfig, set_current_vllm_config

    with set_current_vllm_config(VllmConfig()):
        return conv.Conv3dLayer(
            CHANNELS, 8, kernel_size=KERNEL, stride=KERNEL, params_dtype=torch.bfloat16
        )


def test_on_a_cpu_it_multiplies(layer):
    assert not convolves(layer)


@pytest.mark.parametrize("has_slow_convolution", [True, False])
def test_on_a_gpu_the_version_of_torch_decides(has_slow_convolution, layer, monkeypatch):
    monkeypatch.setattr(conv, "is_torch_equal_or_newer", lambda version: has_slow_convolution)
    layer._forward_method = layer.forward_cuda
    assert convolves(layer) is not has_slow_convolution


def test_where_its_gate_is_closed_it_convolves(layer):
    layer.enable_linear = False
    assert convolves(layer)


def test_nothing_is_compiled_for_the_question(layer):
    """An operation may be compiled by vLLM (CustomOp.maybe_compile)."""
    compiled = []

    def compiler(graph, inputs):
        compiled.append(graph)
        return graph.forward

    layer.enable_linear = False
    layer._forward_method = torch.compile(layer.forward_native, backend=compiler)
    assert convolves(layer)
    assert compiled == []


def test_the_layer_is_as_it_was(layer):
    weight, bias = layer.weight, layer.bias
    before = [value.detach().clone() for value in (weight, bias)]
    convolves(layer)
    assert layer.weight is weight
    assert layer.bias is bias
    for value, old in zip((weight, bias), before, strict=True):
        # Bytes, because nobody has set the values yet.
        assert value.detach().view(torch.uint8).equal(old.view(torch.uint8))
