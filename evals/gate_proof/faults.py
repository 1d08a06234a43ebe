"""Copies of a checkpoint with a wrong patch embedding, to see the gate fail."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

from safetensors import safe_open

from evals import checkpoints
from evals.checkpoints.copies import WEIGHTS
from evals.checkpoints.damage import WRONG_KERNELS, Weights, with_projection

NO_FAULT = "none"
CHANGES_ANSWERS = ("random kernel", "flattened channels-last", "H and W transposed", "BGR")
"""What scores must see; the others only log-probabilities do."""
NO_BIAS = "bias dropped"
FAULTS = (*CHANGES_ANSWERS, "scaled by 1.1", "temporal halves swapped", NO_BIAS)


def faulty_copies(family: str, folder: Path, faults: Collection[str]) -> Iterator[tuple[str, Path]]:
    """Copies of the checkpoint in ``folder``, one for each of the faults that it can have."""
    for fault in FAULTS:
        if fault in faults and (fault != NO_BIAS or _has_bias(family)):
            target = folder / f"{family}-{fault.replace(' ', '-')}"
            yield fault, with_projection(family, target, partial(_inflict, fault))


def _inflict(fault: str, weights: Weights, kernel: str, bias: str) -> None:
    if fault == NO_BIAS:
        weights[bias].zero_()
    else:
        weights[kernel] = WRONG_KERNELS[fault](weights[kernel])


def _has_bias(family: str) -> bool:
    with safe_open(checkpoints.path(family) / WEIGHTS, "pt") as weights:
        return any(name.endswith("patch_embed.proj.bias") for name in weights.keys())  # noqa: SIM118
