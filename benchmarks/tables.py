"""Tables of docs/benchmarks.md, each from the rows of one benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.providers import (
    CHANNELS_LAST,
    CONV,
    CONV_CUDNN_OFF,
    ENGINE_LAYER,
    LINEAR,
    OURS,
    TRANSFORMERS,
)
from benchmarks.record import POINT
from evals.pages import table

Row = Mapping[str, str]
Point = Mapping[str, Row]
"""What was measured of one shape in one run, by provider."""

SHOWN_COUNT = "6080"  # patches, as transformers #45750 reported


def points(rows: Iterable[Row]) -> list[Point]:
    """Rows that can be compared, together."""
    found: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in rows:
        names = (*POINT, "date")
        found.setdefault(tuple(row[name] for name in names), {})[row["provider"]] = row
    return list(found.values())


def layers(rows: Sequence[Row]) -> str:
    """The layer at one number of patches: milliseconds of the convolution, others against it."""
    own = [p for p in points(rows) if p[CONV]["count"] == SHOWN_COUNT and not p[CONV]["engine"]]
    named = {name for point in own for name in point}
    others = [n for n in (CONV_CUDNN_OFF, CHANNELS_LAST, TRANSFORMERS, LINEAR) if n in named]
    lines = []
    for point in own:
        conv, ours = point[CONV], point[OURS]
        cells = [ratio(point[name]) if name in point else "-" for name in (*others, OURS)]
        cells += [
            f"{_undisturbed(ours) / _undisturbed(point[LINEAR]):.3f}",
            f"{_undisturbed(ours) / float(ours['floor']):.2f}",
        ]
        lines.append([conv["device"], conv["dtype"], conv["shape"], interval(conv), *cells])
    columns = ["device", "dtype", "projection", f"{CONV}, ms", *others, "ours"]
    return table([*columns, f"ours / {LINEAR}", "ours / floor"], lines)


def counts(rows: Sequence[Row]) -> str:
    """How many times as fast as the convolution ours is, by the number of patches."""
    own = [point for point in points(rows) if not point[CONV]["engine"]]
    numbers = sorted({int(point[CONV]["count"]) for point in own})
    found = {(_kind(point), int(point[CONV]["count"])): point for point in own}
    lines = []
    for kind in dict.fromkeys(_kind(point) for point in own):
        here = [found.get((kind, number)) for number in numbers]
        lines.append([*kind, *("-" if point is None else ratio(point[OURS]) for point in here)])
    return table(["device", "dtype", "projection", *map(str, numbers)], lines)


def engine_layers(rows: Sequence[Row]) -> str:
    """Ours against an engine's own layer, in the engine's environment."""
    lines = []
    for point in points(rows):
        name = next((name for name in point if name.endswith(ENGINE_LAYER)), None)
        if name is None or point[CONV]["count"] != SHOWN_COUNT:
            continue
        stock, ours = point[name], point[OURS]
        both = [interval(stock), interval(ours), f"{_ms(stock) / _ms(ours):.2f}x"]
        engine = stock["engine"]
        lines.append([engine, stock["torch"], stock["dtype"], stock["shape"], *both])
    columns = ["engine", "torch", "dtype", "projection", "its layer, ms", "ours, ms"]
    return table([*columns, "its layer / ours"], lines)


def towers(rows: Sequence[Row]) -> str:
    """The whole tower before and after, and the share of the projection in it."""
    shares = {
        (row["shape"], row["device"], row["date"], *row["provider"].split(": ", 1)): _ms(row)
        for row in rows
        if row["what"] == "tower components"
    }
    lines = []
    for point in points(row for row in rows if row["what"] == "tower"):
        conv, ours = point[CONV], point[OURS]
        cells = [conv["device"], conv["shape"], conv["count"], interval(conv), interval(ours)]
        lines.append([*cells, ratio(ours), *(_share(row, shares) for row in (conv, ours))])
    columns = ["device", "tower", "patches", f"{CONV}, ms", "ours, ms", "ratio"]
    return table([*columns, "share of the projection before", "after"], lines)


def _share(row: Row, shares: Mapping[tuple[str, ...], float]) -> str:
    place = (row["shape"], row["device"], row["date"], row["provider"])
    spent = [value for key, value in shares.items() if key[:4] == place]
    if not spent:
        return ""
    return f"{100 * shares[(*place, 'patch_embed')] / sum(spent):.1f} %"


def loads(rows: Sequence[Row]) -> str:
    """Construct and load, stock and ours."""
    lines = []
    for point in points(rows):
        stock, ours = point[CONV], point[OURS]
        times = [f"{_ms(row) / 1e3:.2f} s" for row in (stock, ours)]
        held = [float(row["peak_mib"]) for row in (stock, ours)]
        more = [f"{(_ms(ours) - _ms(stock)) / 1e3:+.2f} s", f"{held[1] - held[0]:+.0f} MiB"]
        memory = [f"{value:,.0f} MiB" for value in held]
        lines.append([stock["device"], stock["shape"], *times, more[0], *memory, more[1]])
    columns = ["device", "vision tower", "load, stock", "ours", "more"]
    return table([*columns, "peak memory, stock", "ours", "more"], lines)


def _kind(point: Point) -> tuple[str, str, str]:
    row = point[CONV]
    return row["device"], row["dtype"], row["shape"]


def _ms(row: Row) -> float:
    return float(row["median"])


def _undisturbed(row: Row) -> float:
    """The 20 % quantile: what else a machine does only ever adds to a time."""
    return float(row["low"])


def interval(row: Row) -> str:
    """The median, and both quantiles behind it."""
    median, low, high = (three_digits(float(row[name])) for name in ("median", "low", "high"))
    return f"{median} ({low} to {high})"


def three_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratio(row: Row) -> str:
    """How many times as good as the reference."""
    found = float(row["ratio"])
    return f"{found:.2f}x" if found >= 0.1 else f"{found:.1g}x"
