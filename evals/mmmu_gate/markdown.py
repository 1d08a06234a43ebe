"""The report for a reader of text, `report.md`, and for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evals.markdown import table

COLUMNS = (
    "subject", "n", "baseline", "candidate", "difference", "95 % interval", "lost", "won",
    "identical text", "unreadable",
)  # fmt: skip


def report(result: Mapping[str, Any]) -> str:
    """The whole report but pictures."""
    parts = [f"# {result['verdict']}", *lines(result)]
    if result["overall"]:
        rows = [*result["subjects"], result["overall"]]
        parts.append(table(COLUMNS, [cells(row) for row in rows]))
        parts.append(conclusion(result))
    if result["logprobs"]:
        parts.append("## Log-probabilities of the first token")
        parts.append(table(LOGPROB_COLUMNS, [logprob_cells(one) for one in result["logprobs"]]))
    if result["flipped"]:
        parts.append("## Flipped questions")
        columns = ("question", "right", "baseline", "candidate", "")
        parts.append(table(columns, [_flipped(one) for one in result["flipped"]]))
    parts.append("## Arms")
    parts += [f"{name}:\n\n{_environment(arm)}" for name, arm in result["arms"].items()]
    return "\n\n".join(parts) + "\n"


LOGPROB_COLUMNS = ("probe", "n", "mean difference", "largest", "same likeliest token")


def lines(result: Mapping[str, Any]) -> list[str]:
    """Reasons and warnings, and what kind of run it was."""
    settings = result["settings"]
    found = [f"- {reason}" for reason in result["reasons"]]
    found += [f"- warning: {warning}" for warning in result["warnings"]]
    if settings["trust_arms"]:
        found.append("- nothing but the operator's word says which arm runs the extension")
    asked = (
        f"{settings['task']} ({settings['dataset'] or 'hub'}), lmms-eval {settings['lmms_eval']}"
    )
    return [*found, f"- {asked}, temperature 0, {settings['max_new_tokens']} tokens at most"]


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


def _flipped(one: Mapping[str, Any]) -> list[str]:
    replies = (one["target"], one["baseline"], one["candidate"])
    return [one["name"], *(_inline(text) for text in replies), one["outcome"]]


def _inline(text: str, limit: int = 80) -> str:
    flat = " ".join(text.split()).replace("|", "\\|")
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def _environment(arm: Mapping[str, Any]) -> str:
    facts = {**arm["environment"], "replaced": ", ".join(arm["replaced"]) or "nothing"}
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())
