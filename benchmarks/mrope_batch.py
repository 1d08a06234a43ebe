"""Rope positions of a padded batch that lies on the device, as in training.

    python -m benchmarks.mrope_batch

Ids and grids come from the device and positions go back to it; transformers' own function and ours
get the same tensors. Runs on a GPU if there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from rich.progress import track
from rich.table import Table

from benchmarks import device as devices
from benchmarks.command import parser, recording
from benchmarks.mrope_prompts import CASES, Prompt
from benchmarks.providers import OURS
from benchmarks.record import Row, compared
from benchmarks.timing import interleaved
from engine_ext.installed import installed_version
from engine_ext.mrope import qwen3_vl_get_rope_index

WHAT = "mrope batch"
FAMILY = "qwen3_vl"
BATCH = 8
SHOWN = ("1 image", "16 images", "8 videos")


def main() -> None:
    options_of = parser(__doc__, seconds=2, devices=("cpu", "cuda"))
    add = options_of.add_argument
    add("--cases", nargs="+", choices=SHOWN, default=list(SHOWN), metavar="CASE")
    options = options_of.parse_args()
    with recording(table, WHAT.replace(" ", "_"), options.results) as rows:
        for name in track(options.cases, WHAT, transient=True):
            prompt = next(each for each in CASES[name]() if each.family == FAMILY)
            rows += measure(prompt, options.device, options.seconds)


def measure(prompt: Prompt, device: str, seconds: float) -> Iterator[Row]:
    calls = ways(prompt, device)
    expected = calls[OURS]()
    same = {name: torch.equal(call(), expected) for name, call in calls.items()}
    if not all(same.values()):
        raise ArithmeticError(f"{prompt.title}: not all compute the same positions: {same}")
    yield from compared(
        interleaved(calls, seconds, rounds=5),
        OURS,
        what=WHAT,
        shape=f"{FAMILY}, {BATCH} x {prompt.title}",
        count=BATCH * len(prompt.ids),
        dtype="int64",
        device=devices.name(device),
    )


def ways(prompt: Prompt, device: str) -> dict[str, Callable[[], torch.Tensor]]:
    """Each gives the positions (3, B, S) on the device."""
    vision = SimpleNamespace(spatial_merge_size=prompt.merge_size)
    config = SimpleNamespace(
        vision_config=vision,
        image_token_id=prompt.tokens.image,
        video_token_id=prompt.tokens.video,  # type: ignore[union-attr]
        vision_start_token_id=prompt.tokens.vision_start,  # type: ignore[union-attr]
    )
    model: Any = SimpleNamespace(config=config)
    ids = torch.from_numpy(np.stack([prompt.ids] * BATCH)).to(device)
    mask = torch.ones_like(ids)
    grids = {
        f"{kind}_grid_thw": torch.from_numpy(np.concatenate([found] * BATCH)).to(device)
        for kind, found in (("image", prompt.images), ("video", prompt.videos))
        if len(found)
    }
    calls = {
        OURS: lambda: qwen3_vl_get_rope_index(model, ids, attention_mask=mask, **grids)[0],
    }
    version = installed_version("transformers")
    if version and int(version.split(".")[0]) >= 5:
        from transformers import Qwen3VLModel

        types = torch.zeros_like(ids)
        types[ids == config.image_token_id] = 1
        types[ids == config.video_token_id] = 2
        own: Any = Qwen3VLModel
        model.get_vision_position_ids = lambda *a, **k: own.get_vision_position_ids(model, *a, **k)
        calls[f"transformers {version}"] = lambda: own.get_rope_index(
            model, ids, mm_token_type_ids=types, attention_mask=mask, **grids
        )[0]
    return calls


def table(rows: Sequence[Row]) -> Table:
    drawn = Table(title=f"rope positions of a batch on {rows[0].device}, milliseconds")
    for column in ("batch", "tokens", "", "ms", "20 %", "80 %", "times ours"):
        drawn.add_column(column, justify="right")
    for row in rows:
        times = (f"{value:.3f}" for value in (row.median, row.low, row.high))
        more = f"{1 / row.ratio:.1f}" if row.ratio else ""
        drawn.add_row(row.shape, f"{row.count:,}", row.provider, *times, more)
    return drawn


if __name__ == "__main__":
    main()
