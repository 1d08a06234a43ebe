"""Copies of a checkpoint with a wrong patch embedding, to see the gate fail."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from evals import checkpoints
from evals.checkpoints import wrong_kernels
from evals.checkpoints.copies import WEIGHTS, copy_with, kernel_of

NO_FAULT = "none"
FAULTS: dict[str, Callable[[Tensor], Tensor]] = {
    "random": wrong_kernels.random,
    "flattened channels-last": wrong_kernels.channels_last,
    "H and W transposed": wrong_kernels.rows_for_columns,
    "BGR": wrong_kernels.blue_first,
    "scaled by 1.1": wrong_kernels.scaled,
    "temporal halves swapped": wrong_kernels.swapped_frames,
}
"""Kernels `(D, C, T, P, P)` made wrong. The bias has a fault of its own."""
NO_BIAS = "bias dropped"
CHANGES_ANSWERS = ("random", "flattened channels-last", "H and W transposed", "BGR")
"""What scores must see; the others only log-probabilities do."""


def faulty_copies(family: str, folder: Path, faults: Collection[str]) -> Iterator[tuple[str, Path]]:
    """Copies of the checkpoint in ``folder``, one for each of the faults that it can have."""
    source = checkpoints.path(family)
    for fault in (*FAULTS, NO_BIAS):
        target = folder / f"{family}-{fault.replace(' ', '-')}"
        if fault in faults and (fault != NO_BIAS or _has_bias(source)):
            yield fault, copy_with(source, target, partial(_inflict, fault))


def _inflict(fault: str, weights: dict[str, Tensor]) -> None:
    kernel = kernel_of(weights)
    if fault == NO_BIAS:
        bias = kernel.removesuffix("weight") + "bias"
        weights[bias] = torch.zeros_like(weights[bias])
    else:
        weights[kernel] = FAULTS[fault](weights[kernel])


def _has_bias(checkpoint: Path) -> bool:
    with safe_open(checkpoint / WEIGHTS, "pt") as weights:
        return any(name.endswith("patch_embed.proj.bias") for name in weights.keys())  # noqa: SIM118
