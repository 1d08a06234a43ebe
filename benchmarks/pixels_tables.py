"""Tables of raw pixels in servers: bytes and host time, each stage of an image, rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.serve_tables import OFF
from benchmarks.stages import HASHED, SCHEDULER, STAGES
from benchmarks.tables import Point, Row, interval, points, ratio, three_digits
from evals.pages import table

HOST_TIME, BYTES, WHOLE = "decoded image to tower", "bytes a patch", "whole request"
PREFIX = "pixels, "
REST = "the rest"
"""HTTP, templates, tokenizing, scheduling."""

Image = tuple[str, str]
"""An engine, and the tower and size of the image."""


def hosts(rows: Sequence[Row]) -> str:
    """Bytes that travel, and the time from the decoded image to what the tower gets."""
    lines = []
    for image, found in by_image(rows).items():
        for arm, size in found[BYTES].items():
            each = float(size["median"])
            cells = [*image, arm, f"{each:.0f}" if each else "an image"]
            cells += _better(found[HOST_TIME][arm])
            for what in (SCHEDULER, HASHED):
                cells.append(interval(found[what][arm]) if what in found else "-")
            lines.append([*cells, *_better(found[WHOLE][arm])])
    columns = ["engine", "tower and image", "", "bytes a patch", f"{HOST_TIME}, ms", "better by"]
    columns += [f"{SCHEDULER}, ms", "of it hashing", f"{WHOLE}, ms", "better by"]
    return table(columns, lines)


def stages(rows: Sequence[Row]) -> str:
    """Milliseconds of each stage, and its share of the whole request."""
    lines = []
    for image, found in by_image(rows).items():
        for arm in found[WHOLE]:
            spent = [median(found, stage, arm) for stage in STAGES]
            whole = median(found, WHOLE, arm)
            cells = [_share(each, whole) for each in (*spent, whole - sum(spent))]
            lines.append([*image, arm, *cells, three_digits(whole)])
    return table(["engine", "tower and image", "", *STAGES, REST, WHOLE], lines)


def renders(rows: Sequence[Row]) -> str:
    """What one API server takes for an image, and how many it makes ready in a second."""
    found: dict[tuple[str, str], dict[str, Point]] = {}
    for point in points(rows):
        off = point[OFF]
        what = off["what"].partition(", ")[2]
        found.setdefault((off["engine"], off["shape"]), {})[what] = point
    lines = []
    for key, own in found.items():
        for arm in own["throughput"]:
            cells = [*key, arm, interval(own["decode"][arm])]
            for what in ("image processor", "throughput"):
                cells += _better(own[what][arm])
            lines.append(cells)
    columns = ["engine", "image", "", "decode, ms", "image processor, ms", "better by"]
    return table([*columns, "requests/s", "better by"], lines)


def rates(rows: Sequence[Row]) -> str:
    """Requests a second and first tokens, four at a time."""
    found: dict[Image, dict[str, Point]] = {}
    for point in points(row for row in rows if int(row["count"]) > 1):
        off = point[OFF]
        what = off["what"].removeprefix(PREFIX) if off["unit"] == "ms" else off["unit"]
        found.setdefault((off["engine"], off["shape"]), {})[what] = point
    lines = []
    for image, own in found.items():
        for arm in own["requests/s"]:
            cells = [
                cell for what in ("requests/s", "first token") for cell in _better(own[what][arm])
            ]
            lines.append([*image, arm, *cells])
    columns = ["engine", "tower and image", "", "requests/s", "better by"]
    return table([*columns, "first token, ms", "better by"], lines)


def by_image(rows: Sequence[Row]) -> Mapping[Image, dict[str, Point]]:
    """What was measured of each image, one request after the other, by what it is."""
    found: dict[Image, dict[str, Point]] = {}
    for point in points(row for row in rows if int(row["count"]) == 1):
        off = point[OFF]
        what = off["what"].removeprefix(PREFIX)
        found.setdefault((off["engine"], off["shape"]), {})[what] = point
    return found


def median(found: Mapping[str, Point], what: str, arm: str) -> float:
    return float(found[what][arm]["median"]) if what in found else 0.0


def _better(row: Row) -> tuple[str, str]:
    return interval(row), "" if row["provider"] == OFF else ratio(row)


def _share(spent: float, whole: float) -> str:
    return f"{three_digits(spent)} ({spent / whole:.0%})" if spent else "-"
