"""SGLang's own vision tower, loaded by its own loader: an image with the extension off and on.

    python -m benchmarks.encoder --family glm4v

In one process, by turns, without a server around it: what the tower alone takes of a request. The
tower has a real projection and as many blocks as one asks for.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from rich.table import Table

from benchmarks import device as devices
from benchmarks.command import parser, recording
from benchmarks.printed import by_arm
from benchmarks.record import Row, compared
from benchmarks.serve_model import TOWER_OF, make
from benchmarks.serve_tables import OFF, ON
from benchmarks.timing import interleaved
from benchmarks.towers import DTYPE, dissimilarity
from evals.serving.engines import SGLANG

WHAT = "encoder"
SIZES = {"448": (448, 448), "1080p": (1920, 1080)}


def main() -> None:
    options_of = parser(__doc__, seconds=60)
    add = options_of.add_argument
    add("--family", choices=tuple(TOWER_OF), default="qwen3_vl")
    add("--blocks", type=int, default=1, help="of the vision tower (default 1)")
    add("--sizes", nargs="+", choices=tuple(SIZES), default=list(SIZES))
    options = options_of.parse_args()
    os.environ["ENGINE_EXT"] = "linear"
    os.environ.update(SGLANG.cpu_environ)  # before SGLang is imported: it looks once
    with tempfile.TemporaryDirectory(prefix="engine_ext-encoder-") as folder:
        towers = both(make(options.family, options.blocks, Path(folder)))
    shown = f"{TOWER_OF[options.family]} with {options.blocks} blocks"
    with recording(table, WHAT, options.results) as rows, torch.inference_mode():
        for size in track(options.sizes, WHAT, transient=True):
            rows += measure(towers, shown, SIZES[size], options.seconds)


def both(checkpoint: Path) -> dict[str, Any]:
    """The vision tower of stock, and that of the override that serves in its place."""
    from sglang.srt.models.registry import ModelRegistry

    from engine_ext.sglang.architectures import ARCHITECTURES
    from engine_ext.sglang.overrides import register_overrides
    from evals.serving.sglang_loader import load

    stock = load(str(checkpoint))
    register_overrides(ModelRegistry, ARCHITECTURES)
    return {OFF: stock.visual, ON: load(str(checkpoint)).visual}


def measure(
    towers: dict[str, Any], shown: str, size: tuple[int, int], seconds: float
) -> Iterator[Row]:
    """One image of ``size`` pixels, width and height."""
    patch = towers[OFF].patch_embed
    side = patch.patch_size
    columns, rows = (pixels // (2 * side) * 2 for pixels in size)
    grid = torch.tensor([[1, rows, columns]])
    patches = torch.randn(rows * columns, 3 * 2 * side * side, dtype=getattr(torch, DTYPE))
    calls = {
        f"{arm}, {part}": call
        for arm, tower in towers.items()
        for part, call in (
            ("tower", lambda tower=tower: tower(patches, grid_thw=grid)),
            ("projection", lambda tower=tower: tower.patch_embed(patches)),
        )
    }
    difference = dissimilarity(calls[f"{OFF}, tower"](), calls[f"{ON}, tower"]())
    times = interleaved(calls, seconds)
    for part in ("tower", "projection"):
        yield from compared(
            {arm: times[f"{arm}, {part}"] for arm in towers},
            OFF,
            what=f"{WHAT}, {part}",
            shape=f"{shown}, {size[0]}x{size[1]}",
            count=len(patches),
            dtype=DTYPE,
            device=devices.name("cpu"),
            difference=difference,
            engine=devices.engine(),
        )


def table(rows: Sequence[Row]) -> Table:
    title = f", {rows[0].device}: one image, extension off and on"
    return by_arm(rows, title, "tower and image", "patches", median="ms", value=".1f")


if __name__ == "__main__":
    main()
