"""What vLLM engines do for the tests, by name. An engine runs when a test first asks for it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evals import checkpoints
from tests.engines.damage import HALF, MISSHAPEN, MISSING, NAN, ZERO, changed, damaged
from tests.engines.faults import FAULTS
from tests.engines.quantized import QUANTIZED, quantized
from tests.engines.vllm import variants
from tests.engines.vllm.ways import IMAGES, SKIPPED, TEXT, UPDATES, WITHOUT_DATA

DTYPES = ("bfloat16", "float32")
CASES = list(itertools.product(checkpoints.FAMILIES, DTYPES))
FAMILY = "qwen3_vl"  # its projection has a bias, and it takes adapters for the tower
UNBIASED = "qwen2_5_vl"
FAULTY = "glm4v"  # its projection has a bias

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
    """The checkpoints that all arms read, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.changed = changed(folder, FAMILY)
        self.damaged = {damage: damaged(folder, UNBIASED, damage) for damage in DAMAGES}
        self.pickled = variants.pickled(folder, FAMILY)
        self.quantized = {how: quantized(folder, FAMILY, how) for how in QUANTIZED}
        self.half = damaged(folder, UNBIASED, HALF)
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


def default(run: str) -> str:
    """The run of the same name in which no feature is named."""
    return f"{run}, by default"


def runs_of_both(files: Checkpoints, arm: str) -> dict[str, dict[str, Any]]:
    """What is done with the extension and without."""
    runs = {case(family, "float32"): _in_float32(family) for family in checkpoints.FAMILIES}
    for family in checkpoints.FAMILIES:
        asked = {"do": "ask", "skip": IMAGES, "as": "reload"}
        reloaded = {"do": "reload", "skip": IMAGES}
        then = [reloaded if arm == "extension" else asked, "encode_as_captured"]
        runs[case(family, "bfloat16")] = of(family, then=then)
    runs[SHARED] |= _shared(files, arm, runs[SHARED]["then"])
    for name, engine in _IMPOSSIBLE.items():
        runs[name] = of(FAMILY, engine=engine)
    return {
        **runs,
        **runs_for_text(),
        **{checkpoint(how): of(FAMILY, path) for how, path in files.quantized.items()},
        HALF: of(UNBIASED, files.half, ask=False),
        "shards of the running engine": _shards(files, arm, "running"),
        "adapter": of(
            FAMILY,
            engine={"enable_lora": True, "max_lora_rank": 8, "enable_tower_connector_lora": True},
            then=[{"do": "ask_with_adapter", "path": files.adapter}, "adapted"],
        ),
    }


SHARED = case(FAMILY, "bfloat16")
CACHED, FORGOTTEN = "asked again after an update", "and once the caches are empty"
_IMPOSSIBLE = {
    "sleep mode": {"enable_sleep_mode": True},
    "fp8": {"quantization": "fp8"},
    **{name: {"load_format": name} for name in SEPARATE},
}
"""Settings with which stock does not start on a CPU, or not here."""


def runs_for_text() -> dict[str, dict[str, Any]]:
    """Launches for text: what is done by every arm."""
    return {name: of(UNBIASED, engine=engine, ask=["text"]) for name, engine in TEXT.items()}


def runs_of_the_extension(files: Checkpoints) -> dict[str, dict[str, Any]]:
    """Beside those of both: by default, other loaders, and what is to be stopped."""
    by_default = {
        **{case(family, "bfloat16"): of(family) for family in checkpoints.FAMILIES},
        **{convolving(dtype): _convolving(dtype) for dtype in DTYPES},
        **runs_for_text(),
    }
    runs = {
        **{default(name): {**run, "default": True} for name, run in by_default.items()},
        "pickled": of(FAMILY, files.pickled),
        "shards of stock": _shards(files, "stock", "loading"),
        "shards of the extension": _shards(files, "extension", "loading"),
        "dummy": of(UNBIASED, ask=False, engine={"load_format": "dummy"}),
        "transformers backend": of(UNBIASED, ask=False, engine={"model_impl": "transformers"}),
    }
    for damage, path in files.damaged.items():
        runs[damage] = of(UNBIASED, path, ask=False)
    for fault in FAULTS:
        runs[fault.name] = of(FAULTY, ask=False, fault=fault.name)
    return runs


def runs_of_stock(files: Checkpoints) -> dict[str, dict[str, Any]]:
    """Beside those of both: what updates bring, and stock that convolves."""
    asked = [{"do": "ask", "skip": SKIPPED[by], "as": by} for by in UPDATES]
    runs = {"changed": of(FAMILY, files.changed, ask=False, then=asked)}
    return {**runs, **{convolving(dtype): _convolving(dtype) for dtype in DTYPES}}


def checkpoint(how: str) -> str:
    """The run of a quantized checkpoint."""
    return f"checkpoint, {how}"


def convolving(dtype: str) -> str:
    return f"convolving, {dtype}"


def _convolving(dtype: str) -> dict[str, Any]:
    return of(FAMILY, engine={"dtype": dtype}, convolve=True)


def _in_float32(family: str) -> dict[str, Any]:
    return of(family, engine={"dtype": "float32"})


def _shared(files: Checkpoints, arm: str, then: list[Any]) -> dict[str, Any]:
    """One engine that does whatever an engine of such a case can show."""
    steps = [
        {"do": "ask", "as": "again"},
        "cache_hits",
        *then,
        {"do": "save_shards", "path": files.shards[arm, "running"]},
        {"do": "sleep", "level": 1, "skip": 2 * IMAGES, "as": "sleep 1"},
        {"do": "sleep", "level": 2, "skip": 3 * IMAGES, "as": "sleep 2"},
        *(_update(by, files.changed, SKIPPED[by]) for by in WITHOUT_DATA),
        _update("load_weights", files.changed, 4 * IMAGES),
        {**_update("load_weights of the patch embedding", files.changed, 0), "as": CACHED},
        "forget",
        {"do": "ask", "as": FORGOTTEN},
    ]
    for by in (by for by, is_there in UPDATES.items() if is_there and arm == "extension"):
        steps += ["spoil", _update(by, files.changed, SKIPPED[by])]
    # The prompts are shorter than the block that a CPU takes by default; hits are in the metrics.
    engine = {"block_size": 32, "disable_log_stats": False}
    return {"engine": engine, "shards": files.shards[arm, "loading"], "then": steps}


def _shards(files: Checkpoints, saved_by: str, when: str) -> dict[str, Any]:
    engine = {"load_format": "sharded_state"}
    return of(FAMILY, files.shards[saved_by, when], engine=engine)


def _update(by: str, path: str, skip: int) -> dict[str, Any]:
    return {"do": "update", "by": by, "path": path, "skip": skip, "as": by}
