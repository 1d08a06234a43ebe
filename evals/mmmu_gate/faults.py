"""Copies of a checkpoint with a wrong patch embedding, to see the gate fail."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from evals import checkpoints

NO_FAULT = "none"
FAULTS: dict[str, Callable[[Tensor], Tensor]] = {
    "random": lambda kernel: torch.randn_like(kernel) * kernel.std() + kernel.mean(),
    "flattened channels-last": lambda k: k.permute(0, 2, 3, 4, 1).reshape(k.shape),
    "H and W transposed": lambda kernel: kernel.transpose(3, 4),
    "BGR": lambda kernel: kernel.flip(1),
    "scaled by 1.1": lambda kernel: kernel * 1.1,
    "temporal halves swapped": lambda kernel: kernel.flip(2),
}
"""Kernels `(D, C, T, P, P)` made wrong. The bias has a fault of its own."""
NO_BIAS = "bias dropped"
CHANGES_ANSWERS = tuple(FAULTS)[:4]
"""What scores must see; the others only log-probabilities do."""


def faulty_copies(family: str, folder: Path, faults: Collection[str]) -> Iterator[tuple[str, Path]]:
    """Copies of the checkpoint in ``folder``, one for each of the faults that it can have."""
    torch.manual_seed(0)
    source = checkpoints.path(family)
    weights = load_file(source / "model.safetensors")
    kernel = next(name for name in weights if name.endswith("patch_embed.proj.weight"))
    bias = kernel.removesuffix("weight") + "bias"
    changes = {fault: {kernel: damage(weights[kernel])} for fault, damage in FAULTS.items()}
    if bias in weights:
        changes[NO_BIAS] = {bias: torch.zeros_like(weights[bias])}
    for fault in (fault for fault in changes if fault in faults):
        copy = folder / f"{family}-{fault.replace(' ', '-')}"
        shutil.copytree(source, copy)
        wrong = {
            name: tensor.contiguous() for name, tensor in {**weights, **changes[fault]}.items()
        }
        save_file(wrong, copy / "model.safetensors", metadata={"format": "pt"})
        yield fault, copy
