"""The implementations of a patch projection that are compared.

Each is made of one convolution and gives its rows `(N, D)` for patches `(N, K)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.shapes import Shape
from engine_ext.installed import installed_version
from engine_ext.patch_embed import PatchConv3d
from evals.pages import titled

Layer = Callable[[Tensor], Tensor]

ENGINE_LAYER = ", its layer"  # what the name of an engine's own ends in
CONV, LINEAR, OURS = "nn.Conv3d", "F.linear", "engine_ext"
CONV_CUDNN_OFF = "nn.Conv3d, cuDNN off"
CHANNELS_LAST = "nn.Conv3d, channels_last_3d"
TRANSFORMERS = "transformers, fused"


def convolution(shape: Shape, device: str, dtype: torch.dtype) -> nn.Conv3d:
    """The layer as models have it, with random weights."""
    torch.manual_seed(0)
    channels, *kernel = shape.patch
    size = (kernel[0], kernel[1], kernel[2])
    conv = nn.Conv3d(channels, shape.width, size, stride=size, bias=shape.bias)
    return conv.to(device, dtype).requires_grad_(False)


def providers(shape: Shape, conv: nn.Conv3d) -> Iterator[tuple[str, Layer]]:
    """Every implementation that is installed here, by name."""
    patch, width = shape.patch, shape.width

    def by_conv(layer: nn.Module) -> Layer:
        return lambda rows: layer(rows.view(-1, *patch)).view(-1, width)

    yield CONV, by_conv(conv)
    if conv.weight.is_cuda:
        yield CONV_CUDNN_OFF, _without_cudnn(by_conv(conv))
    yield CHANNELS_LAST, _channels_last(conv, shape)
    for name, layer in (_transformers(conv, shape), _vllm(conv, shape), _sglang(conv, shape)):
        if layer is not None:
            yield name, layer
    flat = conv.weight.view(width, shape.columns)
    yield LINEAR, lambda rows: F.linear(rows, flat, conv.bias)
    yield OURS, by_conv(PatchConv3d.sharing(conv))


def _without_cudnn(layer: Layer) -> Layer:
    """The path that torch 2.9 and newer take in bf16 and fp16 with cuDNN 9.8 to 9.14."""

    def call(rows: Tensor) -> Tensor:
        with torch.backends.cudnn.flags(enabled=False):
            return layer(rows)

    return call


def _channels_last(conv: nn.Conv3d, shape: Shape) -> Layer:
    weight = conv.weight.to(memory_format=torch.channels_last_3d)

    def call(rows: Tensor) -> Tensor:
        cut = rows.view(-1, *shape.patch).to(memory_format=torch.channels_last_3d)
        return F.conv3d(cut, weight, conv.bias, conv.stride).reshape(-1, shape.width)

    return call


def _transformers(conv: nn.Conv3d, shape: Shape) -> tuple[str, Layer | None]:
    """Its opt-in `fusion_config={"patch_embeddings": True}` (5.6 and newer): the fused module."""
    try:
        from transformers.fusion_mapping import PatchEmbeddingsFusionSpec
    except ImportError:
        return TRANSFORMERS, None

    class PatchEmbed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed_dim = shape.width
            self.proj = conv

    fused = PatchEmbeddingsFusionSpec().make_fused_class(PatchEmbed)()
    fused.linear_proj.weight.data = conv.weight.data.view(shape.width, shape.columns)
    if conv.bias is not None:
        fused.linear_proj.bias.data = conv.bias.data
    return TRANSFORMERS, fused.requires_grad_(False)


def _vllm(conv: nn.Conv3d, shape: Shape) -> tuple[str, Layer | None]:
    """vLLM's own layer (0.11.1 and newer), as its models call it."""
    try:
        from vllm.config import VllmConfig, set_current_vllm_config
        from vllm.model_executor.layers.conv import Conv3dLayer
    except ImportError:
        return "vLLM", None
    with set_current_vllm_config(VllmConfig()):
        return _engine("vllm", Conv3dLayer, conv, shape)


def _sglang(conv: nn.Conv3d, shape: Shape) -> tuple[str, Layer | None]:
    """SGLang's own layer (0.5.10 and newer), as its models call it."""
    try:
        from sglang.srt.layers.conv import Conv3dLayer
    except ImportError:
        return "SGLang", None
    return _engine("sglang", Conv3dLayer, conv, shape)


def _engine(name: str, layer: type, conv: nn.Conv3d, shape: Shape) -> tuple[str, Layer]:
    size = conv.kernel_size
    own = layer(conv.in_channels, shape.width, size, stride=size, bias=shape.bias)
    own = own.to(conv.weight.device, conv.weight.dtype).requires_grad_(False)
    own.weight.data = conv.weight.data
    if conv.bias is not None:
        own.bias.data = conv.bias.data
    shown = f"{titled(name, installed_version(name) or '')}{ENGINE_LAYER}"
    return shown, lambda rows: own(rows.view(-1, *shape.patch)).view(-1, shape.width)
