"""One process with the extension and one without, over the same checkpoints: what each answers.

Starting a process costs more than an engine in it, so the tests of weight paths, refused updates
and features share these two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evals import checkpoints
from tests.engines.damage import MISSHAPEN, NAN, TRUNCATED, changed, damaged
from tests.engines.vllm import variants

FAMILY = "qwen3_vl"  # its projection has a bias, and it takes adapters for the tower
MODEL = str(checkpoints.path(FAMILY))

TRIES = (12, 24, 36, 48)
"""Images to pass over for answers that no cache holds, one number for each update of an engine."""

REFUSED = {
    "a truncated file": TRUNCATED,
    "another shape": MISSHAPEN,
    "values that are not finite": NAN,
}
DIRECT = "load_weights of the patch embedding"
LORA = {"enable_lora": True, "max_lora_rank": 8, "enable_tower_connector_lora": True}
ADAPTED = {
    module: f"{module}.weight"
    for module in (
        "model.language_model.layers.0.self_attn.q_proj",
        "model.language_model.layers.1.self_attn.o_proj",
        "model.visual.blocks.0.attn.qkv",
        "model.visual.blocks.1.attn.proj",
    )
}
SEPARATE = {
    "runai_streamer": "runai_model_streamer",
    "tensorizer": "tensorizer",
    "fastsafetensors": "fastsafetensors",
    "instanttensor": "instanttensor",
    "modelexpress": "modelexpress",
}
"""Load formats that want a package of their own, and that package."""


@dataclass
class Checkpoints:
    """The checkpoints that both processes read, in one folder."""

    folder: Path
    changed: str = field(init=False)
    damaged: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.changed = changed(self.folder, FAMILY)
        self.damaged = {
            what: damaged(self.folder, FAMILY, damage) for what, damage in REFUSED.items()
        }
        self.pickled = variants.pickled(self.folder, FAMILY)
        self.quantized = variants.quantized(self.folder, FAMILY)
        self.adapter = variants.adapter(self.folder, FAMILY, ADAPTED)
        self.shards = {
            (arm, when): variants.without_weights(self.folder, FAMILY, f"{arm}-{when}")
            for arm in ("stock", "extension")
            for when in ("loading", "running")
        }


def runs_of_both(files: Checkpoints, arm: str) -> dict[str, dict[str, Any]]:
    """What either process does, by name."""
    runs = {
        "served": {
            "model": MODEL,
            "shards": files.shards[arm, "loading"],
            "then": [
                {"do": "save_shards", "path": files.shards[arm, "running"]},
                {"do": "sleep", "level": 1, "skip": TRIES[0], "as": "sleep 1"},
                {"do": "sleep", "level": 2, "skip": TRIES[1], "as": "sleep 2"},
                _update("load_weights", files.changed, TRIES[2]),
            ],
        },
        "pickled": {"model": files.pickled},
        "shards of the running engine": _shards(files, arm, "running"),
        "shards of stock": _shards(files, "stock", "loading"),
        "sleep mode": {"model": MODEL, "engine": {"enable_sleep_mode": True}},
        "caches": {
            "model": MODEL,
            # The prompts are shorter than the block that a CPU takes by default.
            "engine": {
                "enable_prefix_caching": True,
                "block_size": 32,
                "disable_log_stats": False,
            },
            "then": [{"do": "ask", "as": "again"}, "cache_hits"],
        },
        "adapter": {
            "model": MODEL,
            "engine": LORA,
            "then": [{"do": "ask_with_adapter", "path": files.adapter}, "adapted"],
        },
        "quantized": {"model": files.quantized},
        "fp8": {"model": MODEL, "engine": {"quantization": "fp8"}},
    }
    for name in SEPARATE:
        runs[name] = {"model": MODEL, "engine": {"load_format": name}}
    return runs


def runs_of_the_extension(files: Checkpoints) -> dict[str, dict[str, Any]]:
    from_disk = {"changed": files.changed, **files.damaged}
    from_tensors = {what: path for what, path in from_disk.items() if what != "a truncated file"}
    return {
        "shards of the extension": _shards(files, "extension", "loading"),
        DIRECT: _updated(DIRECT, from_tensors),
        "reload from disk": _updated("reload from disk", from_disk),
        "reload from tensors": _updated("reload from tensors", from_tensors),
    }


def runs_of_stock(files: Checkpoints) -> dict[str, dict[str, Any]]:
    """Stock over the checkpoint that the updates bring, and stock that meets a damaged one."""
    asked = [{"do": "ask", "skip": skip, "as": str(skip)} for skip in TRIES]
    runs = {
        "changed": {"model": files.changed, "ask": False, "then": asked},
    }
    for what, path in files.damaged.items():
        runs[what] = _updated("reload from disk", {what: path})
    return runs


def _shards(files: Checkpoints, saved_by: str, when: str) -> dict[str, Any]:
    return {
        "model": files.shards[saved_by, when],
        "engine": {"load_format": "sharded_state"},
    }


def _update(by: str, path: str, skip: int, name: str | None = None) -> dict[str, Any]:
    return {"do": "update", "by": by, "path": path, "skip": skip, "as": name or by}


def _updated(by: str, paths: dict[str, str]) -> dict[str, Any]:
    """One engine and an update from each checkpoint, one after the other."""
    steps = zip(paths.items(), TRIES, strict=False)
    return {
        "model": MODEL,
        "ask": False,
        "then": [_update(by, path, skip, name) for (name, path), skip in steps],
    }
