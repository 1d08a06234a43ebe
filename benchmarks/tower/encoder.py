"""SGLang's own vision tower, loaded by its own loader: an image with the extension off and on.

    python -m benchmarks.tower.encoder --family glm4v

In one process, by turns, without a server around it: what the tower alone takes of a request. The
tower has a real projection and as many blocks as one asks for.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.progress import track

from benchmarks.command import parser, recording
from benchmarks.load.updates import of_sglang
from benchmarks.record import OFF, ON, Row, compared
from benchmarks.serve.media import SIZES
from benchmarks.serve.model import TOWER_OF, make
from benchmarks.timing import interleaved
from benchmarks.tower.sizes import DTYPE, dissimilarity
from evals.serving.engines import SGLANG

WHAT = "encoder"
SHOWN = ("448", "1080p")


def main() -> None:
    options_of = parser(__doc__, seconds=60)
    add = options_of.add_argument
    add("--family", choices=tuple(TOWER_OF), default="qwen3_vl")
    add("--blocks", type=int, default=1, help="of the vision tower (default 1)")
    add("--sizes", nargs="+", choices=SHOWN, default=SHOWN)
    options = options_of.parse_args()
    os.environ["ENGINE_EXT"] = "linear"
    os.environ.update(SGLANG.cpu_environ)  # before SGLang is imported: it looks once
    with tempfile.TemporaryDirectory(prefix="engine_ext-encoder-") as folder:
        models = of_sglang(str(make(options.family, options.blocks, Path(folder))))
    towers = {arm: model.visual for arm, model in models.items()}
    common = {"model": TOWER_OF[options.family], "tower": f"{options.blocks} blocks"}
    with recording(WHAT, options.results) as rows, torch.inference_mode():
        for size in track(options.sizes, WHAT, transient=True):
            rows += measure(towers, SIZES[size], options.seconds, **common)


def measure(
    towers: dict[str, Any], size: tuple[int, int], seconds: float, **common: str
) -> Iterator[Row]:
    """One image of ``size`` pixels, width and height."""
    side = towers[OFF].patch_embed.patch_size
    columns, rows = (pixels // (2 * side) * 2 for pixels in size)
    grid = torch.tensor([[1, rows, columns]])
    patches = torch.randn(rows * columns, 3 * 2 * side * side, dtype=getattr(torch, DTYPE))
    whole = {arm: partial(tower, patches, grid_thw=grid) for arm, tower in towers.items()}
    parts = {arm: partial(tower.patch_embed, patches) for arm, tower in towers.items()}
    difference = dissimilarity(whole[OFF](), whole[ON]())
    calls = {("tower", arm): call for arm, call in whole.items()}
    calls |= {("projection", arm): call for arm, call in parts.items()}
    times = interleaved(calls, seconds)
    for what in ("tower", "projection"):
        yield from compared(
            {arm: times[what, arm] for arm in towers},
            OFF,
            what=what,
            shape=f"{size[0]}x{size[1]}",
            count=len(patches),
            difference=difference,
            **common,
        )


if __name__ == "__main__":
    main()
