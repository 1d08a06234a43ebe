"""Copies of a checkpoint with other weights."""

import shutil
from collections.abc import Callable
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

WEIGHTS = "model.safetensors"


def copy_with(source: Path, target: Path, change: Callable[[dict[str, Tensor]], None]) -> Path:
    """Copy a checkpoint to ``target`` and let ``change`` edit its weights, by name, in place."""
    shutil.copytree(source, target)
    weights = load_file(target / WEIGHTS)
    change(weights)
    contiguous = {name: weight.contiguous() for name, weight in weights.items()}
    save_file(contiguous, target / WEIGHTS, metadata={"format": "pt"})
    return target


def copy_pickled(source: Path, target: Path) -> Path:
    """Copy a checkpoint to ``target``, with its weights in ``pytorch_model.bin``."""
    import torch

    copy_without_weights(source, target)
    torch.save(load_file(source / WEIGHTS), target / "pytorch_model.bin")
    return target


def copy_without_weights(source: Path, target: Path) -> Path:
    """Copy a checkpoint to ``target``, but for its weights."""
    return Path(shutil.copytree(source, target, ignore=shutil.ignore_patterns(WEIGHTS)))


def kernel_of(weights: dict[str, Tensor]) -> str:
    """The name of the patch embedding's kernel."""
    return next(name for name in weights if name.endswith("patch_embed.proj.weight"))
