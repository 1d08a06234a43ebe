"""A checkpoint whose vision tower is as wide as a released model's, cheap enough for a CPU.

Its projection has every number of the released model's; the tower has as few blocks as one wants,
and the language model is that of our tiny checkpoint. Weights are random: what it says means
nothing.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks.tower.sizes import DTYPE, TOWERS
from evals import checkpoints

TOWER_OF = {"qwen3_vl": "Qwen3-VL-8B", "qwen2_5_vl": "Qwen2.5-VL-7B", "glm4v": "GLM-4.1V-9B"}
MAX_PIXELS = 12845056  # of an image, as Qwen2.5-VL is released


def make(family: str, blocks: int | None, folder: Path) -> Path:
    """Write the checkpoint below ``folder``; its path, whose name tells what it is.

    Args:
        blocks: of the tower; None for the tiny checkpoint's own tower.
    """
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    from evals.checkpoints.ship import save_weights

    source = checkpoints.path(family)
    target = folder / f"{family}-{'tiny' if blocks is None else f'{blocks}-blocks'}"
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.safetensors", "SHA256SUMS"))
    config = json.loads((source / "config.json").read_text())
    if blocks is not None:
        config["vision_config"] |= _sizes(family, blocks, config)
    (target / "config.json").write_text(json.dumps(config))
    processor = json.loads((target / "preprocessor_config.json").read_text())
    if "max_pixels" in processor:
        processor["max_pixels"] = MAX_PIXELS
        (target / "preprocessor_config.json").write_text(json.dumps(processor))
    torch.manual_seed(0)
    built = AutoConfig.from_pretrained(target)
    model = AutoModelForImageTextToText.from_config(built, dtype=getattr(torch, DTYPE))
    save_weights(model, family, target)
    return target


def _sizes(family: str, blocks: int, config: dict[str, Any]) -> dict[str, Any]:
    language = config.get("text_config", config)
    sizes = dict(TOWERS[TOWER_OF[family]])
    del sizes["model_type"]
    if "deepstack_visual_indexes" in sizes:
        sizes["deepstack_visual_indexes"] = [0]  # as the tiny language model expects
    if "fullatt_block_indexes" in sizes:
        whole = [index for index in sizes["fullatt_block_indexes"] if index < blocks]
        sizes["fullatt_block_indexes"] = whole or [0]
    return {**sizes, "depth": blocks, "out_hidden_size": language["hidden_size"]}
