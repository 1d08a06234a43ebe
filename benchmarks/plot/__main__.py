"""The pictures of docs/benchmarks.md, drawn from what the benchmarks recorded.

    python -m benchmarks.plot

Needs matplotlib. Writes one PNG for the layer on each device, one for rope positions, one for the
stages of an image and one for the gaps between tokens while images arrive.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from benchmarks.plot.pictures import draw_gaps, draw_layers, draw_ropes
from benchmarks.plot.stages import draw_stages
from benchmarks.record import RESULTS, read
from evals import PROJECT

matplotlib.use("Agg")

PICTURES = PROJECT / "docs" / "images"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV")
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="folder to write to")
    options = parser.parse_args()
    options.pictures.mkdir(parents=True, exist_ok=True)
    for name, figure in drawn(options.results).items():
        file = options.pictures / f"{name}.png"
        figure.savefig(file, metadata={"Software": None})  # the same data, the same file
        print(f"written: {file}")


def drawn(results: Path) -> dict[str, Figure]:
    """Pictures by name, of what was measured."""
    layers = read("patch_embed", results)
    found = {}
    for device in dict.fromkeys(row["device"] for row in layers):
        shown = re.sub(r"\W+", "-", device.lower()).strip("-")
        found[f"patch-embed-{shown}"] = draw_layers(layers, device)
    stages = [*read("pixels", results), *read("gpu_server", results)]
    others = {
        "rope-positions": (draw_ropes, read("mrope", results)),
        "image-stages": (draw_stages, stages),
        "gaps": (draw_gaps, read("gaps", results)),
    }
    return {**found, **{name: draw(rows) for name, (draw, rows) in others.items() if rows}}


if __name__ == "__main__":
    main()
