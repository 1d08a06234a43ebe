"""The implementations of a patch projection that are compared.

Each is made of one convolution and gives its rows `(N, D)` for patches `(N, K)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.patch_embed.shapes import Shape
from benchmarks.record import OURS
from engine_ext.installed import installed_version
from engine_ext.patch_embed import PatchConv3d
from evals.pages import titled

Layer = Callable[[Tensor], Tensor]

ENGINE_LAYER = ", its layer"  # what the name of an engine's own ends in
CONV, LINEAR = "nn.Conv3d", "F.linear"
CONV_CUDNN_OFF = "nn.Conv3d, cuDNN off"
CHANNELS_LAST = "nn.Conv3d, channels_last_3d"
TRANSFORMERS = "transformers, fused"
TOLERANCES = {"float32": 1e-5, "float16": 4e-3, "bfloat16": 2e-2}
"""Of the largest difference over the largest value: the rounding of one output, and TF32 off."""
COMPARED = 256  # patches compared with float64


class Differs(ArithmeticError):
    """An implementation does not compute the projection."""


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
        yield CONV_CUDNN_OFF, without_cudnn(by_conv(conv))
    yield CHANNELS_LAST, _channels_last(conv, shape)
    for name, layer in (_transformers(conv, shape), _vllm(conv, shape), _sglang(conv, shape)):
        if layer is not None:
            yield name, layer
    flat = conv.weight.view(width, shape.columns)
    yield LINEAR, lambda rows: F.linear(rows, flat, conv.bias)
    yield OURS, by_conv(PatchConv3d.sharing(conv))


def difference(name: str, layer: Layer, conv: nn.Conv3d, patches: Tensor) -> float:
    """The largest difference from float64, over the largest value, of some patches.

    Raises:
        Differs: more than rounding.
    """
    chosen = patches[:COMPARED]
    flat = conv.weight.flatten(1).double()
    right = F.linear(chosen.double(), flat, None if conv.bias is None else conv.bias.double())
    found = float((layer(chosen).double() - right).abs().max() / right.abs().max())
    tolerance = TOLERANCES[str(conv.weight.dtype).removeprefix("torch.")]
    if not found <= tolerance:
        raise Differs(f"{name} differs from float64 by {found:.2g}, expected at most {tolerance}")
    return found


def without_cudnn(call: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The path that torch 2.9 and newer take in bf16 and fp16 with cuDNN 9.8 to 9.14."""

    def found(*args: Tensor) -> Tensor:
        with torch.backends.cudnn.flags(enabled=False):
            return call(*args)

    return found


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
