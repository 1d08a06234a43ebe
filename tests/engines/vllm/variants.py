"""Checkpoints made on the fly: another file format, an adapter."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from evals import checkpoints
from evals.checkpoints.copies import WEIGHTS, copy_pickled, copy_without_weights


def pickled(folder: Path, family: str) -> str:
    """A copy of ``family`` whose weights are in ``pytorch_model.bin``."""
    return str(copy_pickled(checkpoints.path(family), folder / f"{family}-pickled"))


def without_weights(folder: Path, family: str, name: str) -> str:
    """A copy of ``family`` that holds no weights yet."""
    return str(copy_without_weights(checkpoints.path(family), folder / f"{family}-{name}"))


def adapter(folder: Path, family: str, modules: dict[str, str]) -> str:
    """A random adapter for layers of ``family``.

    Args:
        modules: name of each adapted layer as PEFT writes it, and of its weight in the checkpoint.
    """
    path = folder / f"{family}-adapter"
    path.mkdir()
    weights = load_file(checkpoints.path(family) / WEIGHTS)
    draw = torch.Generator().manual_seed(0)
    rank, factors = 4, {}
    for module, name in modules.items():
        rows, columns = weights[name].shape
        prefix = f"base_model.model.{module}"
        down, up = (
            torch.randn(rank, columns, generator=draw),
            torch.randn(rows, rank, generator=draw),
        )
        factors[f"{prefix}.lora_A.weight"] = down * 0.4
        factors[f"{prefix}.lora_B.weight"] = up * 0.4
    save_file(factors, path / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": rank,
        "lora_alpha": rank,
        "target_modules": sorted({module.rpartition(".")[2] for module in modules}),
        "bias": "none",
    }
    (path / "adapter_config.json").write_text(json.dumps(config))
    return str(path)
