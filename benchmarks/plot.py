"""The pictures of docs/benchmarks.md, drawn from what the benchmarks recorded.

    python -m benchmarks.plot

Needs matplotlib. Writes one PNG for the layer on each device, one for rope positions, one for the
stages of an image and one for the gaps between tokens while images arrive.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from benchmarks.gaps_tables import draw_gaps
from benchmarks.providers import CONV, LINEAR, OURS
from benchmarks.record import RESULTS, newest, read
from benchmarks.rope_tables import SWEPT
from benchmarks.stages_plot import draw_stages
from benchmarks.tables import Row
from evals import PROJECT

matplotlib.use("Agg")

PICTURES = PROJECT / "docs" / "images"
STYLES: dict[str, dict[str, Any]] = {
    OURS: {"color": "black", "linewidth": 2},
    CONV: {"color": "tab:red"},
    LINEAR: {"color": "tab:purple"},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV")
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="folder to write to")
    options = parser.parse_args()
    options.pictures.mkdir(parents=True, exist_ok=True)
    layers = newest(read(options.results / "patch_embed.csv"))
    for device in dict.fromkeys(row["device"] for row in layers):
        shown = re.sub(r"\W+", "-", device.lower()).strip("-")
        own = [row for row in layers if row["device"] == device and not row["engine"]]
        save(draw_layers(own, device), options.pictures / f"patch-embed-{shown}.png")
    ropes = newest(read(options.results / "mrope.csv"))
    save(draw_ropes(ropes), options.pictures / "rope-positions.png")
    pixels = newest(read(options.results / "pixels.csv"))
    save(draw_stages(pixels), options.pictures / "image-stages.png")
    if (gaps := options.results / "gaps.csv").exists():
        save(draw_gaps(newest(read(gaps))), options.pictures / "gaps.png")


def save(figure: Figure, file: Path) -> None:
    figure.savefig(file, metadata={"Software": None})  # the same data, the same file
    print(f"written: {file}")


def draw_layers(rows: list[Row], device: str) -> Figure:
    """A panel for each shape, half precision: milliseconds against patches."""
    rows = [row for row in rows if row["dtype"] == "bfloat16"]
    counted_in = {(row["shape"], row["count"]) for row in rows}
    several = Counter(shape for shape, _ in counted_in)  # a run may have ended midway
    shapes = [s for s in dict.fromkeys(row["shape"] for row in rows) if several[s] > 1]
    columns = 3 if len(shapes) < 3 else 6
    size = (max(6.4, 3.2 * len(shapes)), 3.6 if columns > 3 else 4.0)
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    panels = figure.subplots(1, len(shapes), sharey=True, squeeze=False)[0]
    for axes, shape in zip(panels, shapes, strict=True):
        here = [row for row in rows if row["shape"] == shape]
        lines(axes, here, lambda row: int(row["count"]))
        floors = [row for row in here if row["provider"] == OURS]
        counted = [(int(row["count"]), float(row["floor"])) for row in floors]
        axes.plot(*zip(*counted, strict=True), ":", color="gray", label="floor")
        axes.set(xlabel="patches", title=shape)
    panels[0].set_ylabel("ms")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=columns)
    figure.suptitle(f"patch embedding, bfloat16, {device}")
    return figure


def draw_ropes(rows: list[Row]) -> Figure:
    """Milliseconds against tokens with 8 spans, and against spans with 16,384 tokens of vision."""
    swept = [row for row in rows if row["shape"].endswith(SWEPT)]
    eight = [row for row in swept if _spans(row) == 8]
    others = [row for row in swept if _spans(row) != 8]
    figure = Figure(figsize=(9, 4), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    lines(left, eight, lambda row: int(row["count"]))
    left.set(xlabel="tokens, in 8 spans", ylabel="ms")
    lines(right, others, _spans)
    right.set(xlabel="spans, of 16,384 tokens together")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.suptitle("rope positions of one Qwen3-VL prompt, one thread")
    return figure


def _spans(row: Row) -> int:
    return int(row["shape"].split()[-2])


def lines(axes: Axes, rows: Iterable[Row], position: Callable[[Row], int]) -> None:
    """A line for each provider, its quantiles shaded; the first run of several."""
    found: dict[str, dict[int, Row]] = {}
    for row in rows:
        found.setdefault(row["provider"], {}).setdefault(position(row), row)
    for provider, by_position in found.items():
        at = sorted(by_position)
        low, median, high = (
            [float(by_position[x][name]) for x in at] for name in ("low", "median", "high")
        )
        (line,) = axes.plot(
            at, median, "o-", markersize=3, label=provider, **STYLES.get(provider, {})
        )
        axes.fill_between(at, low, high, alpha=0.2, color=line.get_color())
    axes.set(xscale="log", yscale="log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)


if __name__ == "__main__":
    main()
