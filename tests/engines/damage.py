"""Copies of a checkpoint whose patch projection is another, or damaged."""

from __future__ import annotations

from evals.checkpoints.copies import WEIGHTS
from evals.checkpoints.damage import blue_first, with_projection

NAN, MISSING, RENAMED, MISSHAPEN, ZERO = "nan", "missing", "renamed", "misshapen", "zero"
TRUNCATED, BIASLESS = "truncated", "biasless"
HALF, EMPTY = "half", "empty"
"""No last block of the tower; shape (0,), which ZeRO-3 leaves of what other ranks hold."""


def changed(folder, family):
    """The path of a copy of ``family`` in ``folder`` that sees other colours; not damaged."""

    def see_other_colours(weights, kernel, bias):
        weights[kernel] = blue_first(weights[kernel])
        if bias in weights:
            weights[bias] = weights[bias] + 0.05

    return str(with_projection(family, folder / f"{family}-changed", see_other_colours))


def damaged(folder, family, damage):
    """The path of a copy of ``family`` in ``folder`` with this damage."""

    def inflict(weights, kernel, bias):
        if damage == NAN:
            weights[kernel][5, 0, 1] = float("nan")
        elif damage == ZERO:
            weights[kernel].zero_()
        elif damage == BIASLESS:
            del weights[bias]
        elif damage == MISSHAPEN:
            weights[kernel] = weights[kernel][:, :, :1]
        elif damage == EMPTY:
            weights[kernel] = weights[kernel].new_empty(0)
        elif damage == HALF:
            for name in [name for name in weights if "visual.blocks.1." in name]:
                del weights[name]
        elif damage == MISSING:
            del weights[kernel]
        elif damage == RENAMED:
            weights[kernel.replace("visual.", "vision_model.")] = weights.pop(kernel)

    path = with_projection(family, folder / f"{family}-{damage}", inflict)
    if damage == TRUNCATED:
        file = path / WEIGHTS
        file.write_bytes(file.read_bytes()[:-1000])
    return str(path)
