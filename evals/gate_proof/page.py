"""The tables of docs/gate.md, drawn from what `evals.gate_proof.self_test` recorded.

python -m evals.gate_proof.page    # rewrites them
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from evals import PROJECT
from evals.gate_proof.faults import NO_FAULT
from evals.gate_proof.record import Rows, recorded
from evals.pages import in_order, table, titled, with_drawn

PAGE = PROJECT / "docs" / "gate.md"


def with_tables(text: str) -> str:
    """The page with its tables drawn anew."""
    rows = recorded()
    faulty = [row for row in rows if row["fault"] != NO_FAULT]
    same = [row for row in rows if row["fault"] == NO_FAULT]
    return with_drawn(text, {"same": _same(same), "self-test": _self_test(faulty)})


def _same(rows: Rows) -> str:
    """A row for each engine, family and set of features: the extension off against on."""
    shown = ("family", "features", "dtype", "verdict", "questions")
    columns = ["engine", *shown[:-1], "n", "baseline", "candidate", "lost", "won"]
    columns += ["identical text", "log-probabilities, images and videos"]
    lines = []
    for engine, own in _by_engine(rows):
        for row in own:
            shares = [f"{float(row[arm]):.3f}" for arm in ("baseline", "candidate")]
            moved = f"{float(row['still_nats']):.4f}, {float(row['clip_nats']):.4f}"
            line = [engine, *(row[name] for name in shown), *shares, row["lost"], row["won"]]
            lines.append([*line, f"{float(row['identical']):.1%}", moved])
    return table(columns, lines)


def _self_test(rows: Rows) -> str:
    """A row for each engine and fault; a cell says by what a family's run failed."""
    families = list(dict.fromkeys(row["family"] for row in rows))
    lines = []
    for engine, own in _by_engine(rows):
        for fault in dict.fromkeys(row["fault"] for row in own):
            found = {row["family"]: row for row in own if row["fault"] == fault}
            cells = [_cell(found.get(family)) for family in families]
            lines.append([engine, fault, *cells])
    return table(["engine", "fault", *families], lines)


def _by_engine(rows: Rows) -> Iterator[tuple[str, Rows]]:
    """Each engine with its version, and its rows."""
    for engine, version in in_order({(row["engine"], row["version"]) for row in rows}):
        own = [row for row in rows if (row["engine"], row["version"]) == (engine, version)]
        yield titled(engine, version), own


def _cell(row: Mapping[str, str] | None) -> str:
    if row is None:
        return "-"
    shares = f"{float(row['baseline']):.2f} to {float(row['candidate']):.2f}"
    moved = f"{float(row['still_nats']):.2f}, {float(row['clip_nats']):.2f}"
    return f"{row['verdict']}: {shares}; {moved}"


def main() -> None:
    PAGE.write_text(with_tables(PAGE.read_text()))


if __name__ == "__main__":
    main()
