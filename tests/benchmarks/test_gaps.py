"""Gaps between tokens: written where tokens come, and drawn from rows."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks import stages
from benchmarks.gaps_tables import draw_gaps, gaps
from benchmarks.record import append, compared, newest, read
from benchmarks.serve_tables import OFF, PIXELS
from benchmarks.timing import Times

PROGRAM = """
from types import SimpleNamespace
from benchmarks.stages.steps import marked

step = marked(lambda self, batch, result: result)
assert [step(None, SimpleNamespace(reqs=[None] * 4), each) for each in (1, 2)] == [1, 2]
"""


def test_a_step_writes_when_it_was_done_and_of_how_many_texts(tmp_path):
    file = tmp_path / "steps.jsonl"
    environ = {**os.environ, stages.STEPS: str(file)}
    subprocess.run([sys.executable, "-c", PROGRAM], env=environ, check=True)
    first, second = map(json.loads, file.read_text().splitlines())
    assert first["texts"] == second["texts"] == 4
    assert first["at"] < second["at"]


@pytest.fixture
def rows(tmp_path):
    made = []
    for name, off, on in (("median", 10.0, 10.0), ("worst", 200.0, 100.0)):
        times = {arm: Times(value, value, value) for arm, value in ((OFF, off), (PIXELS, on))}
        fields = {"dtype": "bfloat16", "device": "a device", "engine": "an engine 1", "count": 4}
        made += compared(times, OFF, what=f"gaps, {name}", shape="an image", **fields)
    return newest(read(append(made, "gaps", tmp_path)))


def test_shorter_gaps_are_better(rows):
    lines = [line.split(" | ") for line in gaps(rows).splitlines()[2:]]
    off, on = lines
    assert on[2:7] == [PIXELS, "10 (10 to 10)", "1.00x", "100 (100 to 100)", "2.00x |"]
    assert off[2] == OFF


def test_a_bar_is_as_high_as_the_gap(rows):
    pytest.importorskip("matplotlib")
    (axes,) = draw_gaps(rows).axes
    heights = [bar.get_height() for bar in axes.patches]
    assert sorted(heights) == [10.0, 10.0, 100.0, 200.0]
