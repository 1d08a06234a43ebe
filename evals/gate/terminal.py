"""What the terminal says of a run, and in which words the page says it too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

COLUMNS = (
    "subject", "n", "baseline", "candidate", "difference", "95 % interval", "lost", "won",
    "identical text", "unreadable",
)  # fmt: skip
LOGPROB_COLUMNS = ("probe", "n", "mean difference", "largest", "same likeliest token")
COLORS = {"PASS": "green", "FAIL": "red", "INVALID": "yellow"}


def show(console: Console, result: Mapping[str, Any]) -> None:
    if result["overall"]:
        drawn = Table(*COLUMNS)
        for row in (*result["subjects"], result["overall"]):
            drawn.add_row(*cells(row))
        console.print(drawn)
        console.print(conclusion(result), highlight=False)
    for one in result["logprobs"]:
        named = zip(LOGPROB_COLUMNS, logprob_cells(one), strict=True)
        console.print(", ".join(f"{name} {cell}" for name, cell in named), highlight=False)
    for line in lines(result):
        console.print(escape(f"- {line}"), highlight=False, soft_wrap=True)
    console.print(f"[bold {COLORS[result['verdict']]}]{result['verdict']}")


def lines(result: Mapping[str, Any]) -> list[str]:
    """Reasons and warnings, and what kind of run it was."""
    settings = result["settings"]
    found = [*result["reasons"], *(f"warning: {warning}" for warning in result["warnings"])]
    if settings["trust_servers"]:
        found.append("nothing but the operator's word says which server runs the extension")
    if settings["model"]:
        found.append(
            f"{settings['engine']}, {settings['model']};"
            f" features of the candidate: {settings['features']}"
        )
    if settings["candidate_model"]:
        found.append(f"the candidate has another model: {settings['candidate_model']}")
    asked = (
        f"{settings['task']} ({settings['dataset'] or 'hub'}), lmms-eval {settings['lmms_eval']}"
    )
    return [*found, f"{asked}, temperature 0, {settings['max_new_tokens']} tokens at most"]


def conclusion(result: Mapping[str, Any]) -> str:
    """The paired statistics in words."""
    overall, limit = result["overall"], result["settings"]["max_drop"]
    low, high = overall["interval"]
    return (
        f"Difference {overall['difference']:+.4f}, 95 % interval [{low:+.4f}, {high:+.4f}]"
        f" ({overall['method']}). Exact McNemar p = {overall['mcnemar_p']:.3g}. A drop of"
        f" {limit:.4f} or more: p = {overall['drop_p']:.3g}. Replies identical to the letter:"
        f" {overall['identical']:.1%}. The smallest drop this run could have detected (power 80 %):"
        f" {overall['detectable_drop']:.4f}."
    )


def cells(row: Mapping[str, Any]) -> list[str]:
    """One row of the table by subject."""
    low, high = row["interval"]
    unreadable = row["unreadable"]
    return [
        row["subject"],
        str(row["count"]),
        f"{row['baseline']:.3f}",
        f"{row['candidate']:.3f}",
        f"{row['difference']:+.3f}",
        f"[{low:+.3f}, {high:+.3f}]",
        str(row["lost"]),
        str(row["won"]),
        f"{row['identical']:.1%}",
        f"{unreadable['baseline']}, {unreadable['candidate']}",
    ]


def logprob_cells(one: Mapping[str, Any]) -> list[str]:
    return [
        one["kind"],
        str(one["count"]),
        f"{one['mean']:.4f}",
        f"{one['largest']:.4f}",
        f"{one['same_token']:.1%}",
    ]
