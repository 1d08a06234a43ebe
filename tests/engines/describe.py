"""What a served model consists of, for tests of either engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def describe(model: Any) -> dict[str, Any]:
    """The convolutions and patch projections of a model, and how often each weight is held."""
    from engine_ext.patch_embed import PatchConv3d

    convs = [n for n, m in model.named_modules() if type(m).__name__ in ("Conv3d", "Conv3dLayer")]
    linear = {n: m for n, m in model.named_modules() if isinstance(m, PatchConv3d)}
    return {
        "class": type(model).__name__,
        "convs": convs,
        "linear": list(linear),
        "copies": {name: copies(module) for name, module in linear.items()},
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def copies(projection: Any) -> int:
    """In how many storages what can be reached from a projection holds the values of its weight."""
    import torch

    weight = projection.weight
    return len(
        {
            tensor.untyped_storage().data_ptr()
            for tensor in tensors_held(projection)
            if (tensor.dtype, tensor.numel()) == (weight.dtype, weight.numel())
            and torch.equal(tensor.flatten().to(weight.device), weight.flatten())
        }
    )


def tensors_held(holder: Any) -> Iterator[Any]:
    """Every tensor that can be reached from an object over modules, containers and our objects."""
    import torch

    seen: set[int] = set()
    waiting = [holder]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, torch.Tensor):
            yield one
            waiting += vars(one).values()
        elif isinstance(one, Mapping):
            waiting += one.values()
        elif isinstance(one, (list, tuple, set, frozenset)):
            waiting += one
        elif isinstance(one, torch.nn.Module) or type(one).__module__.startswith("engine_ext"):
            waiting += getattr(one, "__dict__", {}).values()
