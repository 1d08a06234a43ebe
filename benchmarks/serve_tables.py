"""Tables of what engines do: starting, encoding an image, answering requests."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benchmarks.tables import Point, Row, interval, points, ratio
from evals.pages import table, titled

OFF, ON, PIXELS, RESIZE = "off", "on", "pixels", "pixels, resize"
BEST = "off, its best settings"


def starts(rows: Sequence[Row]) -> str:
    """Seconds from the command to the first answer."""
    lines = []
    names = ("engine", "version", "family")
    for key in dict.fromkeys(tuple(row[name] for name in names) for row in rows):
        own = [row for row in rows if tuple(row[name] for name in names) == key]
        off, on = (
            statistics.median(float(row["seconds"]) for row in own if row["extension"] == arm)
            for arm in (OFF, ON)
        )
        runs = str(len(own) // 2)
        engine, version, family = key
        lines.append([titled(engine, version), family, runs, f"{off:.2f} s", f"{on:.2f} s"])
        lines[-1].append(f"{on / off:.2f}")
    return table(["engine", "model", "starts of each", "off", "on", "on / off"], lines)


def encoders(rows: Sequence[Row]) -> str:
    """An image through the tower, and through its projection alone."""
    return _arms(rows, "tower and image", "patches", "encoder, ")


def servers(rows: Sequence[Row]) -> str:
    """The first token and the rate of each load; images and tokens go with the requests."""
    loads: dict[tuple[str, ...], dict[str, Point]] = {}
    for point in points(rows):
        off = point[OFF]
        what = off["what"].removeprefix("serve, ") if off["unit"] == "ms" else off["unit"]
        loads.setdefault((off["engine"], off["shape"], off["count"]), {})[what] = point
    lines = []
    for load, found in loads.items():
        cells = [
            cell
            for what in ("first token", "requests/s")
            for cell in (
                *map(interval, (found[what][OFF], found[what][ON])),
                ratio(found[what][ON]),
            )
        ]
        lines.append([*load, *cells])
    columns = ["engine", "tower and load", "at a time"]
    first = ["first token, off, ms", "on, ms", "better by"]
    return table([*columns, *first, "requests/s, off", "on", "better by"], lines)


def rope_servers(rows: Sequence[Row]) -> str:
    """Rope positions in a server, and the whole request."""
    return _arms(rows, "request", "prompt tokens", "mrope in a server, ")


def memory(rows: Sequence[Row]) -> str:
    """Resident memory of all processes of a server after its loads."""
    found = {(row["engine"], row["provider"]): row for row in rows}
    lines = []
    for engine in dict.fromkeys(row["engine"] for row in rows):
        off, on = (float(found[engine, arm]["peak_mib"]) for arm in (OFF, ON))
        lines.append([engine, f"{off:,.0f} MiB", f"{on:,.0f} MiB", f"{on - off:+.0f} MiB"])
    return table(["engine", "off", "on", "more"], lines)


def _arms(rows: Sequence[Row], shape: str, count: str, prefix: str) -> str:
    lines = []
    for point in points(rows):
        off, on = point[OFF], point[ON]
        what = off["what"].removeprefix(prefix)
        cells = [off["engine"], off["shape"], off["count"], what, interval(off), interval(on)]
        lines.append([*cells, ratio(on)])
    return table(["engine", shape, count, "", "off", "on", "better by"], lines)
