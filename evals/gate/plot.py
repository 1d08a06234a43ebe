"""The plot of the report: accuracy of both servers by subject, with intervals."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from math import floor
from typing import Any

import matplotlib
from matplotlib.figure import Figure

matplotlib.use("Agg")
# The same data give the same picture; text stays text, to be searched and scaled.
matplotlib.rcParams.update({"svg.hashsalt": "engine_ext", "svg.fonttype": "none"})

COLORS = {"baseline": "#6b7280", "candidate": "#2563eb"}


def accuracy_by_subject(rows: Sequence[Mapping[str, Any]]) -> str:
    """An SVG element: a line for each row, the last one at the bottom."""
    figure = Figure(figsize=(5.5, 0.9 + 0.42 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for arm, shift in (("baseline", -0.14), ("candidate", 0.14)):
        values = [row[arm] for row in rows]
        intervals = [row[f"{arm}_interval"] for row in rows]
        pairs = list(zip(values, intervals, strict=True))
        # A Wilson interval need not reach a share of 0 or 1 exactly.
        errors = [
            [max(0.0, value - low) for value, (low, _) in pairs],
            [max(0.0, high - value) for value, (_, high) in pairs],
        ]
        heights = [position + shift for position in range(len(rows))]
        axes.errorbar(
            values, heights, xerr=errors, fmt="o", color=COLORS[arm], markersize=4, label=arm
        )
    axes.set_yticks(range(len(rows)), [row["subject"] for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.spines[["top", "right"]].set_visible(False)
    lowest = floor(10 * min(row[f"{arm}_interval"][0] for row in rows for arm in COLORS)) / 10
    margin = 0.02 * (1 - lowest)
    axes.set(xlim=(lowest - margin, 1 + margin), xlabel="accuracy, with Wilson's 95 % interval")
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
