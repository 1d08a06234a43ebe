"""The result of a soak: what is kept of it, and what is printed."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import engine_ext
from engine_ext.installed import installed_version
from evals.soak import outcome
from evals.soak.course import Soaked
from evals.soak.memory import Sample, growth, thinned
from evals.soak.outcome import statuses_text
from evals.soak.server import Refusal

UNKNOWN = {
    "mib_per_hour": None,
    "standard_error": None,
    "fitted_samples": 0,
    "fitted_start_mib": None,
}
"""Growth where there are too few samples."""


def name(options: argparse.Namespace) -> str:
    """The name of the result's file, without its ending."""
    extension = "" if options.extension == "on" else "-stock"
    malloc = "" if options.malloc == "prompt" else f"-{options.malloc}-malloc"
    return f"{options.engine}-{installed_version(options.engine)}{extension}{malloc}"


def result(
    options: argparse.Namespace, soaked: Soaked, found: Sequence[outcome.Row], faults: Sequence[str]
) -> dict[str, Any]:
    """What was run and what came of it, as JSON has it."""
    return {
        "date": date.today().isoformat(),
        "engine": options.engine,
        "version": installed_version(options.engine),
        "family": options.family,
        "extension": options.extension,
        "malloc": options.malloc,
        "engine_ext": engine_ext.__version__,
        "torch": torch.__version__,
        "minutes": options.minutes,
        "rate": options.rate,
        "users": options.users,
        "faults": list(faults),
        "warm_up_requests": len(soaked.warm_up),
        "requests": len(soaked.answers),
        "share_right": round(outcome.share_right(soaked.answers), 4),
        "reference": [_reference(kind, soaked) for kind in soaked.stock],
        "replaced": [module["name"] for module in soaked.replaced],
        "stock_oddities": outcome.stock_oddities(found),
        "kinds": [{**row, **_said(row["kind"], soaked.refusals)} for row in found],
        "memory": _memory(soaked.samples),
    }


def _reference(kind: str, soaked: Soaked) -> dict[str, Any]:
    """Stock's reply to a reference question, and whether the others are the same."""
    stock, others = soaked.stock[kind], {"before": soaked.before, "after": soaked.after}
    equal = {when: replies[kind].tokens == stock.tokens for when, replies in others.items()}
    differences = [stock.difference(others[when][kind]) for when, same in equal.items() if same]
    return {
        "kind": kind,
        "text": stock.text,
        "equal": equal,
        "logprob_difference": max(differences, default=None),
    }


def _said(kind: str, stock: Mapping[str, Refusal]) -> dict[str, Any]:
    """The message with which stock refuses an odd request."""
    return {"stock_message": (stock[kind].message or "")[:300] or None} if kind in stock else {}


def _memory(samples: Sequence[Sample]) -> dict[str, Any]:
    """The growth of the server and of each of its processes, and the samples thinned out."""
    if not samples:
        return {}

    def grown(process: str | None = None) -> dict[str, Any]:
        line = growth(samples, process)
        return dict(UNKNOWN) if line is None else {k: round(v, 2) for k, v in asdict(line).items()}

    first, last = samples[0].processes, samples[-1].processes
    return {
        **grown(),
        "processes": [
            {"name": process, "first_mib": round(mib, 1), **grown(process)}
            for process, mib in first.items()
        ],
        "ended": sorted(set(first) - set(last)),
        "seconds_mib": [[round(one.seconds, 1), round(one.mib, 1)] for one in thinned(samples)],
    }


def show(console: Console, kept: Mapping[str, Any]) -> None:
    """The answers by kind, and what else came of it in words."""
    table = Table(title=f"{kept['engine']}, {kept['family']}, extension {kept['extension']}")
    for column in ("request", "count", "statuses", "stock", "p50 ms", "p95 ms"):
        table.add_column(column, justify="left" if column == "request" else "right")
    for row in kept["kinds"]:
        cells = [row["kind"], row["count"], statuses_text(row["statuses"]), row.get("stock", "")]
        table.add_row(*map(str, cells), f"{row['p50_ms']:.0f}", f"{row['p95_ms']:.0f}")
    console.print(table)
    for line in _lines(kept):
        console.print(escape(line), highlight=False)
    for fault in kept["faults"]:
        console.print(f"[red]{escape(fault)}")
    said = f"[red]{len(kept['faults'])} faults" if kept["faults"] else "[green]nothing went wrong"
    console.print(said)


def _lines(kept: Mapping[str, Any]) -> list[str]:
    found = [f"{kept['requests']} requests, {kept['share_right']:.1%} of the answers right"]
    for row in kept["reference"]:
        verdict = "the same" if all(row["equal"].values()) else "not the same"
        difference = row["logprob_difference"]
        near = "" if difference is None else f", log-probabilities within {difference:.4f}"
        found.append(f"{row['kind']}: stock says {row['text']!r}, {verdict} before and after{near}")
    found += kept["stock_oddities"]
    memory = kept["memory"]
    for row in ({"name": "memory", **UNKNOWN, **memory}, *memory.get("processes", ())):
        grown = "too few samples"
        if row["mib_per_hour"] is not None:
            grown = f"{row['mib_per_hour']:+.1f} MiB/h, standard error {row['standard_error']:.1f}"
            grown += f", from {row['fitted_start_mib']:.0f} MiB"
        found.append(f"{row['name']}: {grown}")
    if kept["minutes"] < outcome.SHORTEST_FIT:
        found.append(f"growth is judged from {outcome.SHORTEST_FIT} minutes on")
    return found
