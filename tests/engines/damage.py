"""Copies of a checkpoint whose patch projection is another, or damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from evals import checkpoints

NAN, MISSING, RENAMED, MISSHAPEN, ZERO = "nan", "missing", "renamed", "misshapen", "zero"
TRUNCATED, BIASLESS = "truncated", "biasless"


def changed(folder, family):
    """The path of a copy of ``family`` in ``folder`` that sees other colours; not damaged."""

    def exchange_colours(weights, name):
        weights[name] = weights[name].flip(1).contiguous()
        bias = name.replace("weight", "bias")
        if bias in weights:
            weights[bias] = weights[bias] + 0.05

    return _copy(folder, family, "changed", exchange_colours)


def damaged(folder, family, damage):
    """The path of a copy of ``family`` in ``folder`` with this damage."""

    def inflict(weights, name):
        if damage == NAN:
            weights[name][5, 0, 1] = float("nan")
        elif damage == ZERO:
            weights[name].zero_()
        elif damage == BIASLESS:
            del weights[name.replace("weight", "bias")]
        elif damage == MISSHAPEN:
            weights[name] = weights[name][:, :, :1].contiguous()
        elif damage in (MISSING, RENAMED):
            kept = weights.pop(name)
            if damage == RENAMED:
                weights[name.replace("visual.", "vision_model.")] = kept

    path = _copy(folder, family, damage, inflict)
    if damage == TRUNCATED:
        file = Path(path) / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-1000])
    return path


def _copy(folder, family, kind, change):
    target = folder / f"{family}-{kind}"
    shutil.copytree(checkpoints.path(family), target)
    file = target / "model.safetensors"
    weights = load_file(file)
    change(weights, next(key for key in weights if key.endswith("patch_embed.proj.weight")))
    save_file(weights, file, metadata={"format": "pt"})
    return str(target)
