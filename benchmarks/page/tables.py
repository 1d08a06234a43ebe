"""The tables of docs/benchmarks.md, by the place of each on the page."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from benchmarks.gpu_server import DEFAULT, EQUAL
from benchmarks.mrope.peers import WRITE
from benchmarks.mrope.prompts import SWEPT
from benchmarks.page.table import (
    NONE,
    Cell,
    Rows,
    Table,
    better,
    each,
    number,
    of,
    of_both,
    off_and_on,
    times,
    where,
)
from benchmarks.patch_embed.providers import (
    CHANNELS_LAST,
    CONV,
    CONV_CUDNN_OFF,
    ENGINE_LAYER,
    LINEAR,
    TRANSFORMERS,
)
from benchmarks.record import OFF, ON, OURS, Recorded, three_digits
from benchmarks.stages import BYTES, HASHED, HOST_TIME, SCHEDULER, STAGES, WHOLE

COUNT = "6080"  # patches, as transformers #45750 reported
COUNTS = ("64", "1024", COUNT, "16384", "65536")
OTHERS = (CONV_CUDNN_OFF, CHANNELS_LAST, TRANSFORMERS, LINEAR)
IMAGE = "engine model tower shape=image provider=server"
REST = "the rest"
"""HTTP, templates, tokenizing, scheduling."""


def _share_of_projection(provider: str) -> Cell:
    def cell(rows: Rows) -> str:
        parts = [row for row in where(rows, provider=provider) if row["what"] != "tower"]
        spent = sum(float(row["median"]) for row in parts)
        return f"{100 * number(parts, what='patch_embed') / spent:.1f} %" if parts else ""

    return cell


def _share_of_request(stage: str) -> Cell:
    def cell(rows: Rows) -> str:
        whole = number(rows, what=WHOLE)
        spent = rest(rows) if stage == REST else number(rows, what=stage)
        return f"{three_digits(spent)} ({spent / whole:.0%})" if spent else NONE

    return cell


def rest(rows: Rows) -> float:
    """What a request took beside its stages."""
    return number(rows, what=WHOLE) - sum(number(rows, what=stage) for stage in STAGES)


def _others_times_ours(rows: Rows) -> str:
    ours = number(rows, provider=OURS)
    return ", ".join(
        f"{row['provider']} {float(row['median']) / ours:.1f}x"
        + " (other positions)" * bool(float(row["difference"]))
        for row in rows
        if row["provider"] not in (OURS, WRITE)
    )


def _its_layer(rows: Rows) -> Recorded:
    return next(row for row in rows if row["provider"].endswith(ENGINE_LAYER))


def _sent(row: Recorded) -> str:
    return f"{float(row['median']):.0f}" if float(row["median"]) else "an image"


def _starts(rows: Rows, arm: str) -> list[float]:
    last = max(row["date"] for row in rows)
    return [float(row["median"]) for row in where(rows, provider=arm, date=last)]


def _start(rows: Rows, arm: str) -> float:
    return statistics.median(_starts(rows, arm))


def _most(arm: str) -> Cell:
    return lambda rows: f"{max(float(row['median']) for row in where(rows, provider=arm)):.2g}"


def _medians(arm: str) -> Cell:
    return of(lambda row: f"{float(row['median']):.3g}", provider=arm)


def _in_the_end(write: Callable[[float, float], str]) -> Cell:
    return lambda rows: of_both(write, OFF, ON, "peak_mib")(rows[::-1])


TABLES = {
    "layers": Table(
        "patch_embed",
        "device dtype model shape=projection",
        [
            (f"{CONV}, ms", times(provider=CONV)),
            *((name, better(provider=name)) for name in OTHERS),
            ("ours", better(provider=OURS)),
            (f"ours / {LINEAR}", of_both(lambda a, b: f"{a / b:.3f}", OURS, LINEAR, "low")),
            (
                "ours / floor",
                of(lambda row: f"{float(row['low']) / float(row['floor']):.2f}", provider=OURS),
            ),
        ],
        lambda row: row["count"] == COUNT and not row["engine"],
    ),
    "counts": Table(
        "patch_embed",
        "device dtype model",
        [(count, better(provider=OURS, count=count)) for count in COUNTS],
        lambda row: not row["engine"],
    ),
    "engine layers": Table(
        "patch_embed",
        "engine torch dtype model",
        [
            ("its layer, ms", lambda rows: times()([_its_layer(rows)])),
            ("ours, ms", times(provider=OURS)),
            (
                "its layer / ours",
                lambda rows: f"{number([_its_layer(rows)]) / number(rows, provider=OURS):.2f}x",
            ),
        ],
        lambda row: row["count"] == COUNT and bool(row["engine"]),
    ),
    "towers": Table(
        "tower",
        "device model tower=attention shape=clips count=patches",
        [
            (f"{CONV}, ms", times(what="tower", provider=CONV)),
            ("ours, ms", times(what="tower", provider=OURS)),
            ("ratio", better(what="tower", provider=OURS)),
            ("share of the projection before", _share_of_projection(CONV)),
            ("after", _share_of_projection(OURS)),
        ],
        lambda row: row["what"] != "matmul",
    ),
    "loads": Table(
        "load",
        "device model",
        [
            ("load, stock", of_both(lambda stock, _: f"{stock / 1e3:.2f} s", CONV, OURS)),
            ("ours", of_both(lambda _, ours: f"{ours / 1e3:.2f} s", CONV, OURS)),
            ("more", of_both(lambda stock, ours: f"{(ours - stock) / 1e3:+.2f} s", CONV, OURS)),
            (
                "peak memory, stock",
                of_both(lambda stock, _: f"{stock:,.0f} MiB", CONV, OURS, "peak_mib"),
            ),
            ("ours", of_both(lambda _, ours: f"{ours:,.0f} MiB", CONV, OURS, "peak_mib")),
            (
                "more",
                of_both(lambda stock, ours: f"{ours - stock:+.0f} MiB", CONV, OURS, "peak_mib"),
            ),
        ],
    ),
    "starts": Table(
        "startup",
        "engine model",
        [
            ("starts of each", lambda rows: str(len(_starts(rows, OFF)))),
            ("off", lambda rows: f"{_start(rows, OFF):.2f} s"),
            ("on", lambda rows: f"{_start(rows, ON):.2f} s"),
            ("on / off", lambda rows: f"{_start(rows, ON) / _start(rows, OFF):.2f}"),
        ],
    ),
    "encoders": Table("encoder", "engine model tower shape=image count=patches what", off_and_on()),
    "rope servers": Table(
        "mrope_server", "engine model shape=request count=prompt_tokens what", off_and_on()
    ),
    "servers": Table(
        "serve",
        "engine model tower shape=images count=at_a_time",
        [*off_and_on("first token"), *off_and_on("requests/s")],
    ),
    "memory": Table(
        "serve",
        "engine",
        [
            ("off", _in_the_end(lambda off, _: f"{off:,.0f} MiB")),
            ("on", _in_the_end(lambda _, on: f"{on:,.0f} MiB")),
            ("more", _in_the_end(lambda off, on: f"{on - off:+.0f} MiB")),
        ],
    ),
    "pixel hosts": Table(
        "pixels",
        IMAGE,
        [
            (BYTES, of(_sent, what=BYTES)),
            *each(HOST_TIME),
            (f"{SCHEDULER}, ms", times(what=SCHEDULER)),
            ("of it hashing", times(what=HASHED)),
            *each(WHOLE),
        ],
        lambda row: row["count"] == "1",
    ),
    "pixel stages": Table(
        "pixels",
        IMAGE,
        [
            *((stage, _share_of_request(stage)) for stage in (*STAGES, REST)),
            (WHOLE, of(lambda row: three_digits(float(row["median"])), what=WHOLE)),
        ],
        lambda row: row["count"] == "1",
    ),
    "pixel rates": Table(
        "pixels", IMAGE, each("requests/s", "first token"), lambda row: row["count"] != "1"
    ),
    "renders": Table(
        "renders",
        "engine model shape=image provider=server",
        [("decode, ms", times(what="decode")), *each("image processor", "requests/s")],
    ),
    "gaps": Table(
        "gaps",
        "engine model shape=what_arrives provider=server",
        each("median", "p99", "worst"),
    ),
    "ropes": Table(
        "mrope",
        "engine=beside model=model_type shape=prompt count=tokens",
        [
            ("ours, ms", of(lambda row: f"{float(row['median']):.3f}", provider=OURS)),
            ("others, times ours", _others_times_ours),
            (
                "ours, times writing the result",
                of_both(lambda ours, write: f"{ours / write:.1f}x", OURS, WRITE),
            ),
        ],
        lambda row: not row["shape"].endswith(SWEPT),
    ),
    "gpu server": Table(
        "gpu_server",
        "device engine what unit",
        [
            ("off", _medians(OFF)),
            ("on", _medians(ON)),
            ("ratio", better(provider=ON)),
        ],
        lambda row: row["what"] != EQUAL,
    ),
    "gpu answers": Table(
        "gpu_server",
        "device model=family",
        [
            ("requests", lambda rows: ", ".join(dict.fromkeys(row["shape"] for row in rows))),
            ("default, difference", _most(DEFAULT)),
            ("all named, difference", _most(ON)),
        ],
        lambda row: row["what"] == EQUAL,
    ),
}
