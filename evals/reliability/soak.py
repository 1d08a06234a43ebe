"""What the soaks showed: their figures side by side, and the answers by kind of request."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evals.pages import in_order, table, titled

RESULTS = Path(__file__).parents[1] / "soak" / "results"
MALLOC = {"prompt": "at once", "default": "as it likes"}


def results(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """Every soak, those of an engine together, with the extension on before stock."""
    found = [json.loads(file.read_text()) for file in folder.glob("*.json")]
    order = in_order({_engine(one) for one in found})
    return sorted(found, key=lambda one: (order.index(_engine(one)), one["extension"] == "off"))


def figures(soaks: Sequence[dict[str, Any]]) -> str:
    """A column for each soak, a row for each figure."""
    rows = {
        "extension": lambda one: one["extension"],
        "glibc returns what is freed": lambda one: MALLOC[one["malloc"]],
        "model": lambda one: one["family"],
        "minutes": lambda one: f"{one['minutes']:g}",
        "requests": lambda one: f"{one['requests']:,}, and {one['warm_up_requests']:,} before",
        "well-formed requests that failed": _failed,
        "malformed requests answered otherwise than by stock": _otherwise,
        "reference answers before and after, equal to stock's": _references,
        "right answers": lambda one: f"{one['share_right']:.1%}",
        "memory of all processes": lambda one: f"{one['memory']['fitted_start_mib']:,.0f} MiB",
        "its growth": lambda one: _growth(one["memory"]),
        "growth of the process that grows most": lambda one: _fastest(one["memory"]),
    }
    lines = [[name, *(str(of(one)) for one in soaks)] for name, of in rows.items()]
    return table(["", *(titled(one["engine"], one["version"]) for one in soaks)], lines)


def kinds(soaks: Sequence[dict[str, Any]]) -> str:
    """A row for each kind of request: how many, and each status with the extension and in stock."""
    soaks = [one for one in soaks if one["extension"] == "on"]
    found = [{row["kind"]: row for row in one["kinds"]} for one in soaks]
    columns = ["request", "malformed"]
    for one in soaks:
        title = titled(one["engine"], one["version"])
        columns += [f"{title}: status (times)", "stock"]
    lines = []
    for kind in dict.fromkeys(kind for rows in found for kind in rows):
        line = [kind, "yes" if any(r[kind]["malformed"] for r in found if kind in r) else ""]
        for rows in found:
            row = rows.get(kind)
            line += ["-", "-"] if row is None else [_statuses(row), str(row.get("stock", ""))]
        lines.append(line)
    return table(columns, lines)


def _engine(one: dict[str, Any]) -> tuple[str, str]:
    return one["engine"], one["version"]


def _statuses(row: dict[str, Any]) -> str:
    return ", ".join(f"{status} ({times})" for status, times in row["statuses"].items())


def _differing(row: dict[str, Any]) -> int:
    expected = str(row.get("stock", 200))
    return sum(times for status, times in row["statuses"].items() if status != expected)


def _failed(one: dict[str, Any]) -> int:
    return sum(_differing(row) for row in one["kinds"] if not row["malformed"])


def _otherwise(one: dict[str, Any]) -> int:
    return sum(_differing(row) for row in one["kinds"] if row["malformed"])


def _references(one: dict[str, Any]) -> str:
    equal = [same for row in one["reference"] for same in row["equal"].values()]
    return f"{sum(equal)} of {len(equal)}"


def _growth(memory: dict[str, Any]) -> str:
    return f"{memory['mib_per_hour']:+.1f} ± {memory['standard_error']:.1f} MiB/h"


def _fastest(memory: dict[str, Any]) -> str:
    known = [one for one in memory["processes"] if one["mib_per_hour"] is not None]
    return _growth(max(known, key=lambda one: one["mib_per_hour"]))
