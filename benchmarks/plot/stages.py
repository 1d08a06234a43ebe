"""The picture of where the time of an image goes: a bar for each server, by stages."""

from __future__ import annotations

from matplotlib import colormaps
from matplotlib.figure import Figure

from benchmarks.page.table import Rows, number, where
from benchmarks.page.tables import REST, rest
from benchmarks.stages import STAGES, STUBBED_BLOCKS, WHOLE

SHAPE = "1 x 1920x1080"


def draw_stages(rows: Rows) -> Figure:
    """Milliseconds of one request with a photograph, a bar for each server.

    A panel for towers whose blocks are stubbed, and one for each that is whole.
    """
    wholes = where(rows, what=WHOLE, shape=SHAPE)
    towers = list(dict.fromkeys((row["tower"], row["model"], row["device"]) for row in wholes))
    heights = [len(_servers(wholes, *each)) for each in towers]
    figure = Figure(figsize=(9, 2 + 0.6 * sum(heights)), dpi=100, layout="constrained")
    panels = figure.subplots(len(towers), 1, squeeze=False, height_ratios=heights)[:, 0]
    colours = colormaps["tab20"].colors
    for axes, (tower, model, device) in zip(panels, towers, strict=True):
        own = where(rows, tower=tower, model=model, device=device, shape=SHAPE, count="1")
        servers = _servers(wholes, tower, model, device)
        starts = [0.0] * len(servers)
        for colour, stage in zip(colours, (*STAGES, REST), strict=False):
            found = [where(own, engine=engine, provider=name) for engine, name in servers]
            widths = [rest(each) if stage == REST else number(each, what=stage) for each in found]
            labels = [f"{engine}, {name}" for engine, name in servers]
            axes.barh(labels, widths, left=starts, label=stage, color=colour)
            starts = [start + width for start, width in zip(starts, widths, strict=True)]
        computes = "the tower stubbed" if tower == STUBBED_BLOCKS else f"the whole tower, {tower}"
        axes.set_title(f"{computes}: {model}, {device}", fontsize="medium")
        axes.set(xlabel="ms")
        axes.grid(axis="x", alpha=0.3)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.suptitle("one request with a photograph of 1080p, by stages")
    return figure


def _servers(wholes: Rows, tower: str, model: str, device: str) -> list[tuple[str, str]]:
    """Engine and name of each, from below."""
    own = where(wholes, tower=tower, model=model, device=device)
    return [(row["engine"], row["provider"]) for row in reversed(own)]
