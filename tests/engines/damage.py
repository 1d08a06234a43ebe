"""Copies of a checkpoint whose patch projection is damaged."""

from __future__ import annotations

import shutil

from safetensors.torch import load_file, save_file

from evals import checkpoints

NAN, MISSING, RENAMED, MISSHAPEN, ZERO = "nan", "missing", "renamed", "misshapen", "zero"


def damaged(folder, family, damage):
    """The path of a copy of ``family`` in ``folder`` with this damage."""
    target = folder / f"{family}-{damage}"
    shutil.copytree(checkpoints.path(family), target)
    file = target / "model.safetensors"
    weights = load_file(file)
    name = next(key for key in weights if key.endswith("patch_embed.proj.weight"))
    if damage == NAN:
        weights[name][5, 0, 1] = float("nan")
    elif damage == ZERO:
        weights[name].zero_()
    elif damage == MISSHAPEN:
        weights[name] = weights[name][:, :, :1].contiguous()
    else:
        kept = weights.pop(name)
        if damage == RENAMED:
            weights[name.replace("visual.", "vision_model.")] = kept
    save_file(weights, file, metadata={"format": "pt"})
    return str(target)
