"""Bars of layers and of gaps, lines of rope positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from benchmarks.mrope.prompts import SWEPT
from benchmarks.page.table import Rows, where
from benchmarks.patch_embed.providers import (
    CHANNELS_LAST,
    CONV,
    CONV_CUDNN_OFF,
    LINEAR,
    TRANSFORMERS,
)
from benchmarks.record import OURS, Recorded

COUNT = "6080"  # patches, as transformers #45750 reported
FAR = 20  # times the least: what is further apart is drawn on a logarithmic scale
COLOURS = {
    OURS: "black",
    CONV: "tab:red",
    CONV_CUDNN_OFF: "tab:brown",
    CHANNELS_LAST: "tab:orange",
    TRANSFORMERS: "tab:green",
    LINEAR: "tab:purple",
}


def draw_layers(rows: Rows, device: str) -> Figure:
    """Milliseconds at one number of patches, half precision: a bar for each implementation."""
    own = where(rows, device=device, engine="", dtype="bfloat16", count=COUNT)
    groups: dict[str, dict[str, Recorded]] = {}
    for row in own:
        groups.setdefault(row["model"].replace(", ", "\n"), {})[row["provider"]] = row
    figure = Figure(figsize=(10, 4.6), dpi=100, layout="constrained")
    axes = figure.subplots()
    bars(axes, groups)
    for place, group in enumerate(groups.values()):
        floor = float(group[OURS]["floor"])
        axes.hlines(floor, place - 0.4, place + 0.4, colors="gray", linestyles=":", label="floor")
    medians = [float(row["median"]) for row in own]
    axes.set(ylabel="ms", yscale="log" if max(medians) > FAR * min(medians) else "linear")
    legend(figure, axes)
    figure.suptitle(f"patch embedding of {COUNT} patches, bfloat16, {device}")
    return figure


def draw_gaps(rows: Rows) -> Figure:
    """A panel for what arrives, a bar for each server and quantile."""
    media = list(dict.fromkeys((row["engine"], row["model"], row["shape"]) for row in rows))
    figure = Figure(figsize=(max(5.6, 4.5 * len(media)), 3.6), dpi=100, layout="constrained")
    panels = figure.subplots(1, len(media), squeeze=False)[0]
    for axes, (engine, model, shape) in zip(panels, media, strict=True):
        groups: dict[str, dict[str, Recorded]] = {}
        for row in where(rows, engine=engine, model=model, shape=shape):
            groups.setdefault(row["what"], {})[row["provider"]] = row
        bars(axes, groups)
        axes.set(ylabel="ms")
        axes.set_title(f"{shape}\n{engine}, {model}", fontsize=9)
    legend(figure, panels[0])
    figure.suptitle("gaps between tokens of running texts while images, or videos, arrive")
    return figure


def bars(axes: Axes, groups: Mapping[str, Mapping[str, Recorded]]) -> None:
    """A group of bars for each name, a bar for each provider, with quantiles and the median."""
    names = list(dict.fromkeys(name for group in groups.values() for name in group))
    width = 0.8 / len(names)
    for number, name in enumerate(names):
        own = {place: each[name] for place, each in enumerate(groups.values()) if name in each}
        at = [place + (number - (len(names) - 1) / 2) * width for place in own]
        median, low, high = (
            [float(row[column]) for row in own.values()] for column in ("median", "low", "high")
        )
        spread = [
            [middle - end for middle, end in zip(median, low, strict=True)],
            [end - middle for middle, end in zip(median, high, strict=True)],
        ]
        drawn = axes.bar(
            at, median, width, yerr=spread, capsize=2, label=name, color=COLOURS.get(name)
        )
        axes.bar_label(drawn, [_shown(value) for value in median], fontsize=7, padding=1)
    axes.set_xticks(range(len(groups)), list(groups))
    axes.grid(axis="y", alpha=0.3)


def _shown(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"


def legend(figure: Figure, axes: Axes) -> None:
    """Below, each name once."""
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)


def draw_ropes(rows: Rows) -> Figure:
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
    legend(figure, left)
    figure.suptitle("rope positions of one Qwen3-VL prompt, one thread")
    return figure


def _spans(row: Recorded) -> int:
    return int(row["shape"].removesuffix(SWEPT))


def lines(axes: Axes, rows: Sequence[Recorded], position: Callable[[Recorded], int]) -> None:
    """A line for each provider, its quantiles shaded; the first run of several."""
    found: dict[str, dict[int, Recorded]] = {}
    for row in rows:
        found.setdefault(row["provider"], {}).setdefault(position(row), row)
    for provider, by_position in found.items():
        at = sorted(by_position)
        low, median, high = (
            [float(by_position[x][name]) for x in at] for name in ("low", "median", "high")
        )
        width = 2 if provider == OURS else None
        colour = COLOURS.get(provider)
        (line,) = axes.plot(
            at, median, "o-", markersize=3, label=provider, color=colour, linewidth=width
        )
        axes.fill_between(at, low, high, alpha=0.2, color=line.get_color())
    axes.set(xscale="log", yscale="log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)
