"""What `benchmarks.gpu` measured, against what is expected of it: printed, and on the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.gpu import resize
from benchmarks.gpu.host_path import COMPACT, PINNED, STOCK
from benchmarks.patch_embed.providers import CONV, CONV_CUDNN_OFF, LINEAR
from benchmarks.record import OURS, Point, Recorded, points, read, three_digits
from evals.pages import table

COUNT = "6080"  # patches, as transformers #45750 reported
REPORTED = 24.8  # times as fast, sglang #20033
SMALL, LARGE = 16384, 65536
COLUMNS = ("what", "stock, ms", "ours, ms", "found", "expected")
Line = tuple[str, str, str, str, str]


def summary(results: Path, devices: Iterable[str]) -> str:
    """Lines of each device."""
    found = [(device, *line) for device in devices for line in lines(results, device)]
    return table(["device", *COLUMNS], found)


def lines(results: Path, device: str) -> Iterator[Line]:
    def measured(name: str) -> list[Point]:
        return points(
            row for row in read(name, results) if row["device"] == device and not row["engine"]
        )

    yield from _layers([one for one in measured("patch_embed") if _dtype(one) == "bfloat16"])
    for point in measured("tower"):
        conv = point.get(CONV)
        if conv is None or conv["what"] != "tower" or conv["tower"] != "sdpa":
            continue
        shape = f"{conv['model']}, {conv['shape']}"
        if CONV_CUDNN_OFF in point:
            yield _ratio(f"tower, cuDNN off, {shape}", point[CONV_CUDNN_OFF], point[OURS])
        yield _ratio(f"tower, cuDNN on, {shape}", conv, point[OURS])
    for point in measured("load"):
        yield _ratio(f"construct and load, {point[CONV]['model']}", point[CONV], point[OURS])
    for point in measured("host_path"):
        for how in ("", PINNED):
            if STOCK + how in point:
                stock = point[STOCK + how]
                least = 4.0 if stock["shape"] == "1 x 1920x1080" else None
                what = f"host to rows{how}, {stock['shape']}"
                yield _ratio(what, stock, point[COMPACT + how], least)
    yield from _resizes(measured(resize.WHAT))
    for point in measured("mrope_batch"):
        for name, row in point.items():
            if name != OURS:
                what = f"rope, {name}, {row['model']}, {row['shape']}"
                yield _ratio(what, row, point[OURS])


def _layers(own: list[Point]) -> Iterator[Line]:
    for point in own:
        conv, ours = point[CONV], point[OURS]
        if conv["count"] != COUNT:
            continue
        shape = f"bf16, {conv['shape']}, {COUNT} patches"
        if CONV_CUDNN_OFF in point:
            yield _ratio(f"layer, cuDNN off, {shape}", point[CONV_CUDNN_OFF], ours, REPORTED)
        yield _ratio(f"layer, cuDNN on, {shape}", conv, ours)
        share = _ms(ours) / _ms(point[LINEAR])
        both = (_shown(point[LINEAR]), _shown(ours))
        yield _line(f"bare {LINEAR}", f"{share:.3f} of it", "at most 1.10", share <= 1.1, *both)
    peaks = [(float(p[CONV]["peak_mib"]), float(p[OURS]["peak_mib"])) for p in own if _has_peak(p)]
    if peaks:
        most = max(ours - stock for stock, ours in peaks)
        yield _line("peak memory of the layer", f"{most:+.1f} MiB", "no more", most <= 0)
    by_count = {(p[OURS]["shape"], int(p[OURS]["count"])): _ms(p[OURS]) for p in own}
    for shape in dict.fromkeys(shape for shape, _ in by_count):
        if (shape, SMALL) in by_count and (shape, LARGE) in by_count:
            times = by_count[shape, LARGE] / by_count[shape, SMALL]
            found = f"{times:.2f} times for {LARGE // SMALL} times the patches"
            near = times <= 1.1 * LARGE / SMALL
            yield _line(f"cost against N, bf16, {shape}", found, "linear", near)


def _resizes(own: list[Point]) -> Iterator[Line]:
    for point in own:
        ours = point.get(resize.TRITON, point[resize.WHOLE])
        for way in (resize.CPU, resize.FLOATS):
            if way in point:
                yield _ratio(f"resize, {way}, {ours['shape']}", point[way], ours)
        least = float(ours["floor"])
        found = f"{three_digits(_ms(ours) / least)} times that"
        yield _line("reading and writing once", found, "", None, three_digits(least), _shown(ours))


def _ratio(what: str, stock: Recorded, ours: Recorded, least: float | None = None) -> Line:
    times = _ms(stock) / _ms(ours)
    expected = "" if least is None else f"over {least:g}x"
    is_met = None if least is None else times > least
    found = f"{three_digits(times)}x"
    return _line(what, found, expected, is_met, _shown(stock), _shown(ours))


def _line(
    what: str, found: str, expected: str, is_met: bool | None, before: str = "", after: str = ""
) -> Line:
    if is_met is not None:
        expected += ": met" if is_met else ": missed"
    return what, before, after, found, expected


def _dtype(point: Point) -> str:
    return next(iter(point.values()))["dtype"]


def _has_peak(point: Point) -> bool:
    return bool(point[CONV]["peak_mib"] and point[OURS]["peak_mib"])


def _ms(row: Recorded) -> float:
    return float(row["median"])


def _shown(row: Recorded) -> str:
    return three_digits(_ms(row))
