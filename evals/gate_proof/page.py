"""The tables of docs/gate.md, drawn from what `evals.gate_proof.self_test` recorded."""

from __future__ import annotations

from collections.abc import Iterator

from evals.gate_proof.faults import NO_FAULT
from evals.gate_proof.record import recorded
from evals.pages import in_order, table, titled
from evals.records import Row


def drawn() -> dict[str, str]:
    """Each table by its name on the page."""
    rows = recorded()
    return {
        "same": _same([row for row in rows if row["fault"] == NO_FAULT]),
        "self-test": _self_test([row for row in rows if row["fault"] != NO_FAULT]),
    }


def _same(rows: list[Row]) -> str:
    """A row for each engine, family and set of features: the extension off against on."""
    shown = ("family", "features", "dtype", "verdict", "questions")
    columns = ["engine", *shown[:-1], "n", "baseline", "candidate", "lost", "won"]
    columns += ["identical text", "log-probabilities, images and videos"]
    lines = []
    for engine, own in _by_engine(rows):
        for row in own:
            shares = [f"{float(row[arm]):.3f}" for arm in ("baseline", "candidate")]
            line = [engine, *(row[name] for name in shown), *shares, row["lost"], row["won"]]
            lines.append([*line, f"{float(row['identical']):.1%}", _moved(row, 4)])
    return table(columns, lines)


def _self_test(rows: list[Row]) -> str:
    """A row for each engine and fault; a cell says by what a family's run failed."""
    families = list(dict.fromkeys(row["family"] for row in rows))
    lines = []
    for engine, own in _by_engine(rows):
        for fault in dict.fromkeys(row["fault"] for row in own):
            cells = {row["family"]: _cell(row) for row in own if row["fault"] == fault}
            lines.append([engine, fault, *(cells.get(family, "-") for family in families)])
    return table(["engine", "fault", *families], lines)


def _by_engine(rows: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Each engine with its version, and its rows."""
    for engine, version in in_order({(row["engine"], row["version"]) for row in rows}):
        own = [row for row in rows if (row["engine"], row["version"]) == (engine, version)]
        yield titled(engine, version), own


def _cell(row: Row) -> str:
    shares = f"{float(row['baseline']):.2f} to {float(row['candidate']):.2f}"
    return f"{row['verdict']}: {shares}; {_moved(row, 2)}"


def _moved(row: Row, digits: int) -> str:
    """Log-probabilities of images and of videos, by the names under which they are recorded."""
    return ", ".join(f"{float(row[kind]):.{digits}f}" for kind in ("still_nats", "clip_nats"))
