"""Tables of docs/benchmarks.md of a real server on a GPU, from the rows of `gpu_server`."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.server_equal import WHAT as EQUAL
from benchmarks.tables import Row, points
from evals.pages import table

OFF, DEFAULT, ON = "off", "default", "on"


def speeds(rows: Sequence[Row]) -> str:
    """What was timed, off and on by turns."""
    lines = []
    for point in points(row for row in rows if row["what"] != EQUAL):
        off, on = point[OFF], point[ON]
        what = off["what"].removeprefix("gpu_server, ")
        cells = [f"{float(one['median']):.3g}" for one in (off, on)]
        name = f"{what}, {off['unit']}"
        lines.append([off["device"], off["engine"], name, *cells, f"{float(on['ratio']):.2f}x"])
    return table(["device", "engine", "what", OFF, ON, "ratio"], lines)


def answers(rows: Sequence[Row]) -> str:
    """The largest difference of a first token's five likeliest, of each family's requests."""
    families: dict[tuple[str, str], list[tuple[str, float, float]]] = {}
    for point in points(row for row in rows if row["what"] == EQUAL):
        of_default, of_on = (point[arm] for arm in (DEFAULT, ON))
        family, request = of_on["shape"].removeprefix("tiny ").split(", ", 1)
        found = (request, float(of_default["median"]), float(of_on["median"]))
        families.setdefault((of_on["device"], family), []).append(found)
    lines = [
        [
            *kind,
            ", ".join(request for request, _, _ in found),
            *(f"{max(each):.2g}" for each in ([d for _, d, _ in found], [o for _, _, o in found])),
        ]
        for kind, found in families.items()
    ]
    columns = ["device", "family", "requests", "default, difference", "all named, difference"]
    return table(columns, lines)
