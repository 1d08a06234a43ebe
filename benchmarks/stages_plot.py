"""The picture of where the time of an image goes: a bar for each server, by stages."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib import colormaps
from matplotlib.figure import Figure

from benchmarks.pixels_tables import REST, WHOLE, by_image, median
from benchmarks.stages import STAGES
from benchmarks.tables import Row

SHOWN = "with its blocks stubbed, 1 x 1920x1080"


def draw_stages(rows: Sequence[Row]) -> Figure:
    """Milliseconds of one request with a photograph, a bar for each engine, tower and arm."""
    images = by_image([row for row in rows if row["shape"].endswith(SHOWN)])
    bars = [(image, arm) for image, found in images.items() for arm in reversed(found[WHOLE])]
    labels = [f"{engine}\n{image.split(' with ')[0]}, {arm}" for (engine, image), arm in bars]
    figure = Figure(figsize=(9, 1.2 + 0.55 * len(bars)), dpi=100, layout="constrained")
    axes = figure.subplots()
    starts = [0.0] * len(bars)
    colours = colormaps["tab20"].colors
    for number, stage in enumerate((*STAGES, REST)):
        widths = [
            median(images[image], WHOLE, arm) - start
            if stage == REST
            else median(images[image], stage, arm)
            for (image, arm), start in zip(bars, starts, strict=True)
        ]
        axes.barh(labels, widths, left=starts, label=stage, color=colours[number])
        starts = [start + width for start, width in zip(starts, widths, strict=True)]
    axes.set(xlabel="ms")
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=4)
    figure.suptitle("one request with a photograph of 1080p, the tower's blocks stubbed, by stages")
    return figure
