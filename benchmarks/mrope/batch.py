"""Rope positions of a padded batch that lies on the device, as in training.

    python -m benchmarks.mrope.batch

Ids and grids come from the device and positions go back to it; transformers' own function and ours
get the same tensors. Runs on a GPU if there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from rich.progress import track

from benchmarks.command import parser, recording
from benchmarks.mrope.peers import config_of, transformers_model
from benchmarks.mrope.prompts import CASES, QWEN, Prompt
from benchmarks.record import OURS, compared
from benchmarks.timing import interleaved
from engine_ext.mrope import qwen3_vl_get_rope_index

WHAT = "mrope_batch"
FAMILY = "qwen3_vl"
BATCH = 8
SHOWN = ("1 image", "16 images", "8 videos")


def main() -> None:
    options_of = parser(__doc__, seconds=2, devices=("cpu", "cuda"))
    add = options_of.add_argument
    add("--cases", nargs="+", choices=SHOWN, default=list(SHOWN), metavar="CASE")
    options = options_of.parse_args()
    with recording(WHAT, options.results) as rows:
        for name in track(options.cases, WHAT, transient=True):
            prompt = next(each for each in CASES[name]() if each.family == FAMILY)
            calls = ways(prompt, options.device)
            expected = calls[OURS]()
            same = {name: torch.equal(call(), expected) for name, call in calls.items()}
            if not all(same.values()):
                raise ArithmeticError(f"{prompt.title}: positions are not the same: {same}")
            rows += compared(
                interleaved(calls, options.seconds, rounds=5),
                OURS,
                what=WHAT,
                model=FAMILY,
                shape=f"{BATCH} x {prompt.title}",
                count=BATCH * len(prompt.ids),
                dtype="int64",
                device=options.device,
                engine="",
            )


def ways(prompt: Prompt, device: str) -> dict[str, Callable[[], torch.Tensor]]:
    """Each gives the positions (3, B, S) on the device."""
    ids = torch.from_numpy(np.stack([prompt.ids] * BATCH)).to(device)
    mask = torch.ones_like(ids)
    grids = {
        f"{kind}_grid_thw": torch.from_numpy(np.concatenate([found] * BATCH)).to(device)
        for kind, found in (("image", prompt.images), ("video", prompt.videos))
        if len(found)
    }
    model: Any = SimpleNamespace(config=config_of(prompt))
    calls = {OURS: lambda: qwen3_vl_get_rope_index(model, ids, attention_mask=mask, **grids)[0]}
    found = transformers_model(prompt)
    if found is not None:
        name, own, stands_in = found
        types = (ids == QWEN.image).long() + 2 * (ids == QWEN.video)
        calls[name] = lambda: own.get_rope_index(
            stands_in, ids, mm_token_type_ids=types, attention_mask=mask, **grids
        )[0]
    return calls


if __name__ == "__main__":
    main()
