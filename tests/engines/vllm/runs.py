"""What vLLM engines do for the tests, by name. An engine runs when a test first asks for it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evals import checkpoints
from tests.engines.damage import MISSHAPEN, MISSING, NAN, TRUNCATED, ZERO, changed, damaged
from tests.engines.faults import FAULTS
from tests.engines.limits import VERSION
from tests.engines.vllm import variants

DTYPES = ("bfloat16", "float32")
CASES = list(itertools.product(checkpoints.FAMILIES, DTYPES))
FAMILY = "qwen3_vl"  # its projection has a bias, and it takes adapters for the tower
UNBIASED = "qwen2_5_vl"
FAULTY = "glm4v"  # its projection has a bias

TRIES = (12, 24, 36, 48)
"""Images to pass over for answers that no cache holds, one number for each change of an engine."""

RELOADS_ANOTHER = VERSION > (0, 11, 0)
"""vLLM 0.11 reloads the checkpoint that it has loaded, and nothing else."""
DIRECT = "load_weights of the patch embedding"
UPDATES = (DIRECT, "reload from disk", "reload from tensors") if RELOADS_ANOTHER else (DIRECT,)
"""The ways to put other weights into a running engine that stock has on a CPU."""
REFUSED = {
    "a truncated file": TRUNCATED,
    "another shape": MISSHAPEN,
    "values that are not finite": NAN,
}
FROM_TENSORS = [what for what in REFUSED if what != "a truncated file"]
DAMAGES = (NAN, ZERO, MISSHAPEN, MISSING)
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
class Arm:
    """The engines with the extension, or those without: each runs once, when it is asked for."""

    run: Callable[[Mapping[str, Any]], dict[str, Any]]
    runs: Mapping[str, Mapping[str, Any]]
    done: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> dict[str, Any]:
        if name not in self.done:
            self.done[name] = self.run(self.runs[name])
        return self.done[name]


class Checkpoints:
    """The checkpoints that both arms read, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.changed = changed(folder, FAMILY)
        self.refused = {what: damaged(folder, FAMILY, damage) for what, damage in REFUSED.items()}
        self.damaged = {damage: damaged(folder, UNBIASED, damage) for damage in DAMAGES}
        self.pickled = variants.pickled(folder, FAMILY)
        self.quantized = variants.quantized(folder, FAMILY)
        self.adapter = variants.adapter(folder, FAMILY, ADAPTED)
        self.shards = {
            (arm, when): variants.without_weights(folder, FAMILY, f"{arm}-{when}")
            for arm in ("stock", "extension")
            for when in ("loading", "running")
        }


def of(family: str, model: str = "", **more: Any) -> dict[str, Any]:
    """A run of a checkpoint of ``family``, by default the one that is shipped."""
    return {"model": model or str(checkpoints.path(family)), "family": family, **more}


def case(family: str, dtype: str) -> str:
    return f"{family}, {dtype}"


def runs_of_both(files: Checkpoints, arm: str) -> dict[str, dict[str, Any]]:
    """What is done with the extension and without."""
    runs = {case(family, "float32"): _in_float32(family) for family in checkpoints.FAMILIES}
    for family in checkpoints.FAMILIES:
        asked = {"do": "ask", "skip": TRIES[0], "as": "reload"}
        reloaded = {"do": "reload", "skip": TRIES[0]}
        then = [reloaded if arm == "extension" else asked, "encode_as_captured"]
        runs[case(family, "bfloat16")] = of(family, then=then)
    runs[SERVED] |= _served(files, arm, runs[SERVED]["then"])
    for name, engine in _IMPOSSIBLE.items():
        runs[name] = of(FAMILY, engine=engine)
    return {
        **runs,
        "quantized": of(FAMILY, files.quantized),
        "shards of the running engine": _shards(files, arm, "running"),
        "adapter": of(
            FAMILY,
            engine={"enable_lora": True, "max_lora_rank": 8, "enable_tower_connector_lora": True},
            then=[{"do": "ask_with_adapter", "path": files.adapter}, "adapted"],
        ),
    }


SERVED = case(FAMILY, "bfloat16")
_IMPOSSIBLE = {
    "sleep mode": {"enable_sleep_mode": True},
    "fp8": {"quantization": "fp8"},
    **{name: {"load_format": name} for name in SEPARATE},
}
"""Settings with which stock does not start on a CPU, or not here."""


def runs_of_the_extension(files: Checkpoints) -> dict[str, dict[str, Any]]:
    """Beside those of both: what changes the weights, what is to be refused, other loaders."""
    spoilt = [
        [_update(by, files.changed, skip), "spoil"]
        for by, skip in zip(UPDATES, TRIES, strict=False)
    ]
    updates = [step for steps in spoilt for step in steps][:-1]
    last = _update(UPDATES[-1], files.refused["values that are not finite"], TRIES[3], "refused")
    no_images = {"limit_mm_per_prompt": {"image": 0, "video": 0}}
    runs = {
        "pickled": of(FAMILY, files.pickled),
        "shards of stock": _shards(files, "stock", "loading"),
        "shards of the extension": _shards(files, "extension", "loading"),
        "updated": of(FAMILY, ask=False, then=[*updates, last]),
        "dummy": of(UNBIASED, ask=False, engine={"load_format": "dummy"}),
        "language only": of(UNBIASED, ask=False, engine=no_images),
        "transformers backend": of(UNBIASED, ask=False, engine={"model_impl": "transformers"}),
    }
    for damage, path in files.damaged.items():
        runs[damage] = of(UNBIASED, path, ask=False)
    for fault in FAULTS:
        runs[fault.name] = of(FAULTY, ask=False, fault=fault.name)
    for by in UPDATES:
        from_files = {w: p for w, p in files.refused.items() if "disk" in by or w in FROM_TENSORS}
        runs[f"refused: {by}"] = _updated(by, {"changed": files.changed, **from_files})
    return runs


def runs_of_stock(files: Checkpoints) -> dict[str, dict[str, Any]]:
    """Beside those of both: what updates bring, damaged updates, and stock that convolves."""
    asked = [{"do": "ask", "skip": skip, "as": str(skip)} for skip in TRIES]
    runs = {"changed": of(FAMILY, files.changed, ask=False, then=asked)}
    for dtype in DTYPES:
        runs[f"convolving, {dtype}"] = of(FAMILY, engine={"dtype": dtype}, convolve=True)
    for what, path in files.refused.items():
        runs[f"takes {what}"] = _updated("reload from disk", {what: path})
    return runs


def _in_float32(family: str) -> dict[str, Any]:
    return of(family, engine={"dtype": "float32"})


def _served(files: Checkpoints, arm: str, then: list[Any]) -> dict[str, Any]:
    """One engine that does whatever an engine as it is by default can show."""
    steps = [
        {"do": "ask", "as": "again"},
        "cache_hits",
        *then,
        {"do": "save_shards", "path": files.shards[arm, "running"]},
        {"do": "sleep", "level": 1, "skip": TRIES[1], "as": "sleep 1"},
        {"do": "sleep", "level": 2, "skip": TRIES[2], "as": "sleep 2"},
        _update("load_weights", files.changed, TRIES[3]),
    ]
    # The prompts are shorter than the block that a CPU takes by default; hits are in the metrics.
    engine = {"block_size": 32, "disable_log_stats": False}
    return {"engine": engine, "shards": files.shards[arm, "loading"], "then": steps}


def _shards(files: Checkpoints, saved_by: str, when: str) -> dict[str, Any]:
    engine = {"load_format": "sharded_state"}
    return of(FAMILY, files.shards[saved_by, when], engine=engine)


def _update(by: str, path: str, skip: int, name: str | None = None) -> dict[str, Any]:
    return {"do": "update", "by": by, "path": path, "skip": skip, "as": name or by}


def _updated(by: str, paths: Mapping[str, str]) -> dict[str, Any]:
    """One engine and an update from each checkpoint, one after the other."""
    steps = zip(paths.items(), TRIES, strict=False)
    return of(FAMILY, ask=False, then=[_update(by, path, skip, n) for (n, path), skip in steps])
