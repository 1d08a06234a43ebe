"""The table and the picture of gaps between tokens while images and clips arrive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.serve_tables import OFF
from benchmarks.tables import Point, Row, interval, points, ratio
from evals.pages import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PREFIX = "gaps, "


def gaps(rows: Sequence[Row]) -> str:
    """Milliseconds between two tokens of a text, a line for each arm."""
    lines = []
    for (engine, media), found in _by_media(rows).items():
        for arm in next(iter(found.values())):
            cells = [engine, media, arm]
            for point in found.values():
                cells += [interval(point[arm]), "" if arm == OFF else ratio(point[arm])]
            lines.append(cells)
    names = [f"{name}, ms" for name in next(iter(_by_media(rows).values()))]
    better = [column for name in names for column in (name, "better by")]
    return table(["engine", "what arrives", "", *better], lines)


def draw_gaps(rows: Sequence[Row]) -> Figure:
    """A panel for what arrives, a bar for each arm and quantile."""
    from matplotlib.figure import Figure

    media = _by_media(rows)
    figure = Figure(figsize=(4.5 * len(media), 3.6), dpi=100, layout="constrained")
    panels = figure.subplots(1, len(media), squeeze=False)[0]
    for axes, ((_, what), found) in zip(panels, media.items(), strict=True):
        arms = list(next(iter(found.values())))
        width = 0.8 / len(arms)
        for number, arm in enumerate(arms):
            at = [place + number * width for place in range(len(found))]
            own = [point[arm] for point in found.values()]
            median, low, high = (
                [float(row[name]) for row in own] for name in ("median", "low", "high")
            )
            spread = [
                [middle - end for middle, end in zip(median, low, strict=True)],
                [end - middle for middle, end in zip(median, high, strict=True)],
            ]
            axes.bar(at, median, width, yerr=spread, capsize=2, label=arm)
        middle = 0.4 - width / 2
        axes.set_xticks([place + middle for place in range(len(found))], list(found))
        axes.set(ylabel="ms", title=what)
        axes.grid(axis="y", alpha=0.3)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.suptitle("gaps between tokens of running texts")
    return figure


def _by_media(rows: Sequence[Row]) -> Mapping[tuple[str, str], dict[str, Point]]:
    found: dict[tuple[str, str], dict[str, Point]] = {}
    for point in points(rows):
        off = point[OFF]
        media = found.setdefault((off["engine"], off["shape"]), {})
        media[off["what"].removeprefix(PREFIX)] = point
    return found
