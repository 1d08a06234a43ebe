"""Tables and the picture of raw pixels are drawn from rows alone."""

import pytest

from benchmarks.pixels_tables import BYTES, HOST_TIME, REST, WHOLE, hosts, rates, stages
from benchmarks.record import Row, append, compared, newest, read
from benchmarks.serve_tables import OFF, PIXELS
from benchmarks.stages import HASHED, SCHEDULER, STAGES
from benchmarks.stages_plot import draw_stages
from benchmarks.timing import Times

SHAPE = "a tower with its blocks stubbed, 1 x 1920x1080"


def both(what, off, on, unit="ms", count=1):
    times = {arm: Times(value, value, value) for arm, value in ((OFF, off), (PIXELS, on))}
    fields = {"dtype": "bfloat16", "device": "a device", "engine": "an engine 1", "unit": unit}
    return compared(times, OFF, what=f"pixels, {what}", shape=SHAPE, count=count, **fields)


@pytest.fixture
def rows(tmp_path):
    made = [
        *both("image processor", 40.0, 10.0),
        *both("send", 20.0, 5.0),
        *both(HOST_TIME, 60.0, 15.0),
        *both(SCHEDULER, 30.0, 3.0),
        *both(WHOLE, 100.0, 50.0),
        *both(BYTES, 4704, 588, "B"),
        *both("throughput", 5.0, 10.0, "requests/s", 4),
        *both("first token", 200.0, 100.0, count=4),
    ]
    # What one arm has not is of no ratio.
    alone = {"shape": SHAPE, "count": 1, "dtype": "bfloat16", "device": "a device"}
    for name, off in (("normalise", 10.0), (HASHED, 20.0)):
        for arm, value in ((OFF, off), (PIXELS, 0.0)):
            value = {"median": value, "low": value, "high": value}
            made.append(Row(f"pixels, {name}", arm, **alone, **value, engine="an engine 1"))
    return newest(read(append(made, "pixels", tmp_path)))


def cells(text):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]


def test_less_time_and_fewer_bytes_are_better(rows):
    off, on = cells(hosts(rows))
    assert (off[2:4], on[2:4]) == ([OFF, "4704"], [PIXELS, "588"])
    assert (on[5], on[9]) == ("4.00x", "2.00x")


def test_of_what_the_scheduler_waits_for_it_is_said_how_much_is_hashing(rows):
    off, on = cells(hosts(rows))
    assert off[6:8] == ["30 (30 to 30)", "20 (20 to 20)"]
    assert on[6:8] == ["3 (3 to 3)", "0 (0 to 0)"]


def test_stages_are_shares_of_the_whole_request(rows):
    names = [*STAGES, REST, WHOLE]
    off, on = (dict(zip(names, line[3:], strict=True)) for line in cells(stages(rows)))
    assert (off["image processor"], on["image processor"]) == ("40 (40%)", "10 (20%)")
    assert (off["normalise"], on["normalise"]) == ("10 (10%)", "-")
    assert off["hash"] == "-"
    assert (off[REST], on[REST]) == ("30 (30%)", "35 (70%)")
    assert (off[WHOLE], on[WHOLE]) == ("100", "50")


def test_more_requests_are_better(rows):
    _, line = cells(rates(rows))
    assert (line[4], line[6]) == ("2.00x", "2.00x")


def test_a_bar_is_as_long_as_the_request(rows):
    pytest.importorskip("matplotlib")
    (axes,) = draw_stages(rows).axes
    ends = [bar.get_x() + bar.get_width() for bar in axes.containers[-1]]
    assert ends == [50.0, 100.0]
