"""The result of a soak as a file and as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

import engine_ext
from engine_ext.installed import installed_version
from evals.serving.asking import Reply
from evals.soak.arm import ON, PROMPT, Refusal
from evals.soak.course import Soak
from evals.soak.memory import Growth, Sample, growth, thinned
from evals.soak.odd import ODD
from evals.soak.outcome import Kind, logprob_difference, statuses_text

RESULTS = Path(__file__).parent / "results"


def name(soak: Soak) -> str:
    """The name of the result's file, without its ending."""
    extension = "" if soak.extension == ON else "-stock"
    malloc = "" if soak.malloc == PROMPT else f"-{soak.malloc}-malloc"
    return f"{soak.engine.name}-{installed_version(soak.engine.name)}{extension}{malloc}"


def heading(soak: Soak) -> dict[str, Any]:
    """What was run."""
    return {
        "date": date.today().isoformat(),
        "engine": soak.engine.name,
        "version": installed_version(soak.engine.name),
        "family": soak.family,
        "extension": soak.extension,
        "malloc": soak.malloc,
        "engine_ext": engine_ext.__version__,
        "torch": torch.__version__,
        "minutes": soak.load.minutes,
        "rate": soak.load.rate,
        "users": soak.load.users,
    }


def kind_row(kind: Kind, stock: Mapping[str, Refusal]) -> dict[str, Any]:
    row = {
        "kind": kind.name,
        "malformed": kind.is_malformed,
        "count": kind.count,
        "statuses": {str(status): n for status, n in sorted(kind.statuses.items())},
        "p50_ms": round(kind.median_ms, 1),
        "p95_ms": round(kind.p95_ms, 1),
    }
    if kind.name in ODD:
        message = stock[kind.name].message
        row["stock"] = stock[kind.name].status
        row["stock_message"] = None if message is None else message[:300]
    return row


def reference_rows(
    stock: Mapping[str, Reply], before: Mapping[str, Reply], after: Mapping[str, Reply]
) -> list[dict[str, Any]]:
    """Each reference question: stock's reply, and whether the others are the same."""
    rows = []
    for kind, reply in stock.items():
        others = {"before": before[kind], "after": after[kind]}
        equal = {when: other.tokens == reply.tokens for when, other in others.items()}
        same = [other for when, other in others.items() if equal[when]]
        rows.append(
            {
                "kind": kind,
                "text": reply.text,
                "equal": equal,
                "logprob_difference": max(
                    (logprob_difference(reply, o) for o in same), default=None
                ),
            }
        )
    return rows


def memory_row(samples: Sequence[Sample]) -> dict[str, Any]:
    """The growth of the server and of each of its processes, and the samples thinned out."""
    if not samples:
        return {}
    first, last = samples[0].processes, samples[-1].processes
    return {
        **_growth_row(growth(samples)),
        "processes": [
            {"name": name, "first_mib": round(mib, 1), **_growth_row(growth(samples, name))}
            for name, mib in first.items()
        ],
        "ended": sorted(set(first) - set(last)),
        "seconds_mib": [[round(one.seconds, 1), round(one.mib, 1)] for one in thinned(samples)],
    }


def _growth_row(grown: Growth | None) -> dict[str, Any]:
    return {
        "mib_per_hour": None if grown is None else round(grown.mib_per_hour, 2),
        "standard_error": None if grown is None else round(grown.standard_error, 2),
        "fitted_samples": 0 if grown is None else grown.samples,
        "fitted_start_mib": None if grown is None else round(grown.start_mib, 1),
    }


def write(folder: Path, file_name: str, result: Mapping[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{file_name}.json"
    file.write_text(json.dumps(result, indent=1) + "\n")
    return file


def table(title: str, found: Sequence[Kind]) -> Table:
    drawn = Table(title=title)
    for column in ("request", "count", "statuses", "stock", "p50 ms", "p95 ms"):
        drawn.add_column(column, justify="left" if column == "request" else "right")
    for kind in found:
        drawn.add_row(
            kind.name,
            str(kind.count),
            statuses_text(kind.statuses),
            str(kind.expected) if kind.name in ODD else "",
            f"{kind.median_ms:.0f}",
            f"{kind.p95_ms:.0f}",
        )
    return drawn


def lines(result: Mapping[str, Any]) -> list[str]:
    """What else came of it, in words."""
    memory = result["memory"]
    return [
        f"{result['requests']} requests, {result['share_right']:.1%} of the answers right",
        *(_reference_line(row) for row in result["reference"]),
        *result["stock_oddities"],
        _memory_line("memory", memory),
        *(_memory_line(f"  {process['name']}", process) for process in memory["processes"]),
    ]


def _reference_line(row: Mapping[str, Any]) -> str:
    verdict = "the same" if all(row["equal"].values()) else "not the same"
    difference = row["logprob_difference"]
    near = "" if difference is None else f", log-probabilities within {difference:.4f}"
    return f"{row['kind']}: stock says {row['text']!r}, {verdict} before and after{near}"


def _memory_line(title: str, row: Mapping[str, Any]) -> str:
    if row["mib_per_hour"] is None:
        return f"{title}: too few samples"
    return (
        f"{title}: {row['mib_per_hour']:+.1f} MiB/h, standard error {row['standard_error']:.1f}, "
        f"from {row['fitted_start_mib']:.0f} MiB"
    )
