"""What is done to the model itself, in the process that holds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def weights(path: str) -> Iterator[tuple[str, Any]]:
    """The weights of a checkpoint, by the names it has."""
    from safetensors.torch import load_file

    yield from load_file(Path(path) / "model.safetensors").items()


def spoil(model: Any) -> None:
    """Overwrite the projections in place."""
    import torch

    from engine_ext.patch_embed import PatchConv3d

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, PatchConv3d):
                for parameter in module.parameters():
                    parameter.fill_(7.0)


@dataclass
class Load:
    """Call ``load_weights`` of the running model, as a trainer does, with those of a checkpoint."""

    path: str
    only: str = ""
    """A part of the names to load."""

    def __call__(self, model: Any) -> None:
        model.load_weights((name, w) for name, w in weights(self.path) if self.only in name)


def adapted(model: Any) -> list[str]:
    """Names of the layers that vLLM has made ready for adapters."""
    from vllm.lora.layers import BaseLayerWithLoRA

    return [name for name, layer in model.named_modules() if isinstance(layer, BaseLayerWithLoRA)]


def encode_as_captured(model: Any) -> dict[str, Any] | None:
    """The inputs that vLLM records an encoder CUDA graph with, and what the tower makes of them.

    The functions are those that vLLM's ``EncoderCudaGraphManager`` calls around a capture; None
    where vLLM has none (0.11).
    """
    import torch

    if not hasattr(model, "prepare_encoder_cudagraph_capture_inputs"):
        return None
    embedding = model.visual.patch_embed
    config = model.get_encoder_cudagraph_config()
    with torch.no_grad():
        inputs = model.prepare_encoder_cudagraph_capture_inputs(
            token_budget=32,
            max_batch_size=2,
            max_frames_per_batch=4,
            device=torch.device("cpu"),
            dtype=next(model.visual.parameters()).dtype,
        ).values
        pixels = inputs["pixel_values"]
        shades = torch.arange(pixels.numel()) * 7919 % 251
        pixels.copy_(shades.view_as(pixels) if pixels.dtype == torch.uint8 else shades / 251 - 0.5)
        output = model.encoder_cudagraph_forward(dict(inputs))
    return {
        "patch embedding": {
            "in_channels": embedding.proj.in_channels,
            "patch_size": embedding.patch_size,
            "temporal_patch_size": embedding.temporal_patch_size,
        },
        "modalities": config.modalities,
        "inputs": {
            name: [str(value.dtype), list(value.shape)]
            for name, value in inputs.items()
            if value is not None
        },
        "output": output.float().flatten()[:4096].tolist(),
        "shape": list(output.shape),
    }
