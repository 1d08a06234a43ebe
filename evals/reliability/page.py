"""The tables of ``docs/reliability.md``, drawn from what was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from evals.pages import in_order, table, titled
from evals.records import read_all
from evals.reliability import record, soak

HOLDS = {
    "weight paths": "as a fresh stock engine",
    "layouts": "as stock",
    "features": "as stock",
    "mutations": "stopped",
}
"""Each table of the record, and what its tests assert where they found nothing else to say."""
IN_PLACE = ("loads and verifies", "weights equal, and verified")
"""What some found instead of that: no answers were compared."""


def drawn(folder: Path = record.RESULTS) -> dict[str, str]:
    """Every table of the page by its name there.

    Raises:
        ValueError: a recorded test has failed.
    """
    rows = read_all(folder)
    failed = [
        f"{row['engine']} {row['version']}: {row['row']}" for row in rows if row["failed"] != "0"
    ]
    if failed:
        raise ValueError(f"recorded tests have failed: {', '.join(failed)}")
    tables = {
        name: shown([row for row in rows if row["table"] == name], holds)
        for name, holds in HOLDS.items()
    }
    soaks = soak.results()
    return {**tables, "soak": soak.figures(soaks), "soak kinds": soak.kinds(soaks)}


def shown(rows: list[Mapping[str, str]], holds: str) -> str:
    """A row for each statement, a column for each engine, and what was found below."""
    engines = in_order({(row["engine"], row["version"]) for row in rows})
    found = {(row["engine"], row["version"], row["row"]): row["found"] for row in rows}
    notes: list[str] = []

    def cell(engine: str, version: str, statement: str) -> str:
        text = found.get((engine, version, statement))
        if text is None:
            return "-"
        if not text or text in IN_PLACE:
            return text or holds
        if text not in notes:
            notes.append(text)
        what = "stock cannot" if text.startswith("stock cannot") else holds
        return f"{what} ({notes.index(text) + 1})"

    ordered = sorted((row["engine"], row["version"], row["row"]) for row in rows)
    statements = dict.fromkeys(statement for *_, statement in ordered)
    lines = [[s, *(cell(*engine, s) for engine in engines)] for s in statements]
    text = table(["", *(titled(*engine) for engine in engines)], lines)
    below = [f"{number}. {note}" for number, note in enumerate(notes, start=1)]
    return "\n".join([text, "", *below]).rstrip()
