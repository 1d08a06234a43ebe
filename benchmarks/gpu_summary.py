"""What `benchmarks.gpu` measured on one device, in a table of a screen's height."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from benchmarks import host_path
from benchmarks.providers import CONV, CONV_CUDNN_OFF, LINEAR, OURS
from benchmarks.record import newest, read
from benchmarks.tables import points, three_digits
from evals.pages import table

Row = Mapping[str, str]
COUNT = "6080"  # patches, as transformers #45750 reported
REPORTED = 24.8  # sglang #20033
SMALL, LARGE = 16384, 65536


@dataclass(frozen=True)
class Line:
    """One thing that was measured: before, after, and what is expected of it."""

    what: str
    before: str
    after: str
    found: str
    expected: str = ""
    met: bool | None = None


def summary(results: Path, device: str) -> Table:
    drawn = Table(title=f"{device}: what was measured")
    for column, justify in (
        ("what", "left"), ("stock, ms", "right"), ("engine_ext, ms", "right"),
        ("found", "right"), ("expected", "left"), ("", "left"),
    ):  # fmt: skip
        drawn.add_column(column, justify=justify)  # type: ignore[arg-type]
    for line in lines(results, device):
        mark = {None: "", True: "yes", False: "[bold red]MISSED[/]"}[line.met]
        drawn.add_row(line.what, line.before, line.after, line.found, line.expected, mark)
    return drawn


def page(results: Path) -> str:
    """The same for `docs/benchmarks.md`: every GPU that has been measured."""
    measured = [row["device"] for row in read(results / "host_path.csv")]
    found = []
    for device in dict.fromkeys(measured):
        for line in lines(results, device):
            mark = {None: "", True: "met", False: "missed"}[line.met]
            expected = f"{line.expected}: {mark}" if mark else line.expected
            found.append([device, line.what, line.before, line.after, line.found, expected])
    columns = ["device", "what", "stock, ms", "ours, ms", "found", "expected"]
    return table(columns, found)


def lines(results: Path, device: str) -> Iterator[Line]:
    yield from _layers(_rows(results, "patch_embed", device))
    yield from _towers(_rows(results, "tower", device))
    yield from _loads(_rows(results, "load", device))
    yield from _hosts(_rows(results, "host_path", device))
    yield from _ropes(_rows(results, "mrope_batch", device))


def _rows(results: Path, name: str, device: str) -> list[Row]:
    file = results / f"{name}.csv"
    found = newest(read(file)) if file.exists() else []
    return [row for row in found if row["device"] == device and not row["engine"]]


def _layers(rows: list[Row]) -> Iterator[Line]:
    own = [point for point in points(rows) if point[CONV]["dtype"] == "bfloat16"]
    for point in own:
        if point[CONV]["count"] != COUNT:
            continue
        ours, shape = point[OURS], f"bf16, {point[CONV]['shape']}, {COUNT} patches"
        if CONV_CUDNN_OFF in point:
            yield _ratio(f"layer, cuDNN off, {shape}", point[CONV_CUDNN_OFF], ours, REPORTED)
        yield _ratio(f"layer, cuDNN on, {shape}", point[CONV], ours)
        share = _ms(ours) / _ms(point[LINEAR])
        bare = _shown(point[LINEAR])
        yield Line(
            f"bare {LINEAR}", bare, _shown(ours), f"{share:.3f} of it", "at most 1.10", share <= 1.1
        )
    peaks = [(float(p[CONV]["peak_mib"]), float(p[OURS]["peak_mib"])) for p in own if _has_peak(p)]
    if peaks:
        most = max(ours - stock for stock, ours in peaks)
        yield Line("peak memory of the layer", "", "", f"{most:+.1f} MiB", "no more", most <= 0)
    by_count = {(p[OURS]["shape"], int(p[OURS]["count"])): _ms(p[OURS]) for p in own}
    for shape in dict.fromkeys(shape for shape, _ in by_count):
        if (shape, SMALL) in by_count and (shape, LARGE) in by_count:
            times = by_count[shape, LARGE] / by_count[shape, SMALL]
            found = f"{times:.2f} times for {LARGE // SMALL} times the patches"
            near = times <= 1.1 * LARGE / SMALL
            yield Line(f"cost against N, bf16, {shape}", "", "", found, "linear", near)


def _towers(rows: list[Row]) -> Iterator[Line]:
    for point in points(row for row in rows if row["what"] == "tower"):
        if "sdpa" not in point[CONV]["shape"]:
            continue
        shape = point[CONV]["shape"].replace(", sdpa", "")
        if CONV_CUDNN_OFF in point:
            yield _ratio(f"tower, cuDNN off, {shape}", point[CONV_CUDNN_OFF], point[OURS])
        yield _ratio(f"tower, cuDNN on, {shape}", point[CONV], point[OURS])


def _loads(rows: list[Row]) -> Iterator[Line]:
    for point in points(rows):
        yield _ratio(f"construct and load, {point[CONV]['shape']}", point[CONV], point[OURS])


def _hosts(rows: list[Row]) -> Iterator[Line]:
    for point in points(rows):
        for how in ("", host_path.PINNED):
            if host_path.STOCK + how not in point:
                continue
            stock, ours = point[host_path.STOCK + how], point[host_path.COMPACT + how]
            expected = 4.0 if stock["shape"] == "1 x 1920x1080" else None
            yield _ratio(f"host to rows{how}, {stock['shape']}", stock, ours, expected)


def _ropes(rows: list[Row]) -> Iterator[Line]:
    for point in points(rows):
        for name, row in point.items():
            if name != OURS:
                yield _ratio(f"rope, {name}, {row['shape']}", row, point[OURS])


def _ratio(what: str, stock: Row, ours: Row, least: float | None = None) -> Line:
    times = _ms(stock) / _ms(ours)
    expected = "" if least is None else f"over {least:g}x"
    met = None if least is None else times > least
    return Line(what, _shown(stock), _shown(ours), f"{three_digits(times)}x", expected, met)


def _has_peak(point: Mapping[str, Row]) -> bool:
    return bool(point[CONV]["peak_mib"] and point[OURS]["peak_mib"])


def _ms(row: Row) -> float:
    return float(row["median"])


def _shown(row: Row) -> str:
    return three_digits(_ms(row))
