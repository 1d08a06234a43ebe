"""What tests have done with the model itself, in the process that holds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECTION = "patch_embed.proj"
TAKEN = ("norm", PROJECTION)
"""Parts of the names of weights that a running stock vLLM takes on a CPU: it has packed the linear
layers by then and dropped their weights."""
CALLS = 200


def weights(path: str, only: tuple[str, ...] = ("",)) -> Iterator[tuple[str, Any]]:
    """The weights of a checkpoint, by the names it has, of which ``only`` holds a part."""
    from safetensors.torch import load_file

    for name, weight in load_file(Path(path) / "model.safetensors").items():
        if any(part in name for part in only):
            yield name, weight


def spoil(model: Any) -> None:
    """Overwrite the projection in place."""
    import torch

    with torch.no_grad():
        for parameter in _projection(model).parameters():
            parameter.fill_(7.0)


def _projection(model: Any) -> Any:
    (found,) = (module for name, module in model.named_modules() if name.endswith(PROJECTION))
    return found


@dataclass
class Update:
    """Put the weights of a checkpoint into the running model, as one of the subclasses does."""

    path: str

    def weights(self, *only: str) -> Iterator[tuple[str, Any]]:
        return weights(self.path, only or TAKEN)


class AllAtOnce(Update):
    def __call__(self, model: Any) -> None:
        model.load_weights(self.weights(""))


class TheProjection(Update):
    def __call__(self, model: Any) -> None:
        model.load_weights(self.weights(PROJECTION))


class OneTensorACall(Update):
    def __call__(self, model: Any) -> None:
        for weight in self.weights():
            model.load_weights([weight])


class ManyCalls(Update):
    """As many as a trainer makes for a model of this size, each with one tensor."""

    def __call__(self, model: Any) -> None:
        given = list(self.weights())
        for call in range(CALLS):
            model.load_weights([given[call % len(given)]])


class Buckets(Update):
    """In an order that no checkpoint has: the projection last, its bias and its weight apart."""

    def __call__(self, model: Any) -> None:
        others = sorted(self.weights("norm"), reverse=True)
        for start in range(0, len(others), 5):
            model.load_weights(others[start : start + 5])
        for weight in sorted(self.weights(PROJECTION)):
            model.load_weights([weight])


class DiscardedThenBuckets(Buckets):
    """As after sleep of level 2, which discards what the parameters hold."""

    def __call__(self, model: Any) -> None:
        for name, parameter in model.named_parameters():
            if any(part in name for part in TAKEN):
                parameter.data.zero_()
        super().__call__(model)


class SparsePatches(Update):
    """Every other value of each weight, then the rest."""

    def __call__(self, model: Any) -> None:
        import torch
        from vllm.model_executor.model_loader.checkpoint_weight_patch import (
            CheckpointWeightPatch,
            load_checkpoint_weight_patches,
        )

        for first in (0, 1):
            patches = []
            for name, weight in self.weights(PROJECTION):
                these = torch.arange(first, weight.numel(), 2)
                values = weight.flatten()[these]
                given = (name, tuple(weight.shape), weight.dtype, values, these)
                patches.append(CheckpointWeightPatch(*given))
            load_checkpoint_weight_patches(model, patches)


class InPlace(Update):
    def __call__(self, model: Any) -> None:
        parameters = dict(_projection(model).named_parameters())
        for name, weight in self.weights(PROJECTION):
            parameters[name.rpartition(".")[2]].data.copy_(weight)


@dataclass
class Layerwise(Update):
    """By vLLM's own functions, which load a layer when it has all its tensors: one a call."""

    model_config: Any

    def __call__(self, model: Any) -> None:
        from vllm.model_executor.model_loader import reload

        reload.initialize_layerwise_reload(model)
        for weight in self.weights(""):
            model.load_weights([weight])
        reload.finalize_layerwise_reload(model, self.model_config)


class MetaTensors(Update):
    """As a loader gives them that keeps the values elsewhere."""

    def __call__(self, model: Any) -> None:
        model.load_weights((name, value.to("meta")) for name, value in self.weights(PROJECTION))


class FakeTensors(Update):
    """As a loader gives them under a mode that computes shapes alone."""

    def __call__(self, model: Any) -> None:
        from torch._subclasses.fake_tensor import FakeTensorMode

        fake = FakeTensorMode().from_tensor
        model.load_weights((name, fake(value)) for name, value in self.weights(PROJECTION))


class EmptyTensors(Update):
    """As a trainer gives them under ZeRO-3 that has not gathered them."""

    def __call__(self, model: Any) -> None:
        model.load_weights((name, value.new_empty(0)) for name, value in self.weights(PROJECTION))


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
