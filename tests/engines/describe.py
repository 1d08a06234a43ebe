"""What a served model consists of, for tests of either engine."""

from __future__ import annotations

import gc
from typing import Any


def describe(model: Any) -> dict[str, Any]:
    """The convolutions and patch projections of a model, and how often each weight is held."""
    from engine_ext.patch_embed.linear import PatchLinear

    convs = [n for n, m in model.named_modules() if type(m).__name__ in ("Conv3d", "Conv3dLayer")]
    linear = {n: m for n, m in model.named_modules() if isinstance(m, PatchLinear)}
    return {
        "class": type(model).__name__,
        "convs": convs,
        "linear": list(linear),
        "copies": {name: copies(module.weight) for name, module in linear.items()},
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def copies(weight: Any) -> int:
    """In how many storages of this process the values of ``weight`` lie."""
    import torch

    gc.collect()
    gc.unfreeze()  # vLLM freezes what lives after start-up, which hides it from get_objects
    tensors = [o for o in gc.get_objects() if type(o) in (torch.Tensor, torch.nn.Parameter)]
    return len(
        {
            tensor.untyped_storage().data_ptr()
            for tensor in tensors
            if tensor.dtype == weight.dtype
            and tensor.device == weight.device
            and tensor.numel() == weight.numel()
            and torch.equal(tensor.flatten(), weight.flatten())
        }
    )
