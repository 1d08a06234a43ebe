"""An engine taken through every way in which weights reach it, beside a stock engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evals import checkpoints
from evals.checkpoints.copies import copy_without_weights
from tests.engines.damage import EMPTY, MISSHAPEN, NAN, changed, damaged
from tests.engines.limits import VERSION
from tests.engines.sglang.masked_copy import LOADER

FORMATS = {
    "by the loader": None,
    "direct": "direct",
    "in a flattened bucket": "flattened_bucket",
}
BROADCAST = {how: FORMATS[how] for how in ("by the loader", "in a flattened bucket")}
PARTS = {
    "one tensor an update": "one by one",
    "in buckets, the projection last, weight and bias apart": "buckets",
    "in buckets, all weights set to zero before": "zeroed",
    "by a custom loader that NaN tells to keep a value": "masked",
    "by the loader, then direct, in one session": "twice",
}
SETTINGS = {"custom_weight_loader": [LOADER]}
HAS_GROUPS = VERSION >= (0, 5, 9)
"""SGLang 0.5.8 compares versions of torch as text: "2.13" comes before "2.6" for it."""
with_groups = pytest.mark.skipif(not HAS_GROUPS, reason="stock cannot set up a process group here")
WITHOUT_WEIGHTS, OTHER_SHAPE = "disk: a folder without weights", "broadcast: another shape"
NO_ELEMENTS = "broadcast: tensors of no elements"
REFUSED = [
    WITHOUT_WEIGHTS,
    *(pytest.param(what, marks=with_groups) for what in (OTHER_SHAPE, NO_ELEMENTS)),
]
"""By stock, which goes on: it does not after another shape from disk, or from tensors."""


def steps(family: str, folder: Path) -> dict[str, Any]:
    """Steps by label; after an update, ``ask <label>`` asks about images that nobody has seen."""
    original, other = str(checkpoints.path(family)), changed(folder, family)
    found: dict[str, Any] = {}

    def add(label: str, step: list[Any]) -> None:
        found[label] = step
        found[f"ask {label}"] = ["ask", len(found) - 1]

    for how, load_format in FORMATS.items():
        add(f"tensors {how}", ["tensor", load_format, other])
        add(f"disk after {how}", ["disk", original])
    for how, load_format in BROADCAST.items() if HAS_GROUPS else ():
        add(f"broadcast {how}", ["distributed", load_format, other])
        add(f"disk after broadcast {how}", ["disk", original])
    for number, (how, verb) in enumerate(PARTS.items()):
        add(how, [verb, original if number % 2 else other])
    found["not finite"] = ["tensor", None, damaged(folder, family, NAN)]
    add("disk after not finite", ["disk", original])
    empty = copy_without_weights(checkpoints.path(family), folder / "empty")
    add(WITHOUT_WEIGHTS, ["disk", str(empty)])
    if HAS_GROUPS:
        for what, damage in ((OTHER_SHAPE, MISSHAPEN), (NO_ELEMENTS, EMPTY)):
            add(what, ["distributed", None, damaged(folder, family, damage)])
    add("memory", ["memory"])
    add("disk at last", ["disk", other])
    last = found["ask disk at last"]
    return {**found, "flush": ["flush"], "ask flush": last, "ask again": last, "ipc": ["ipc"]}
