"""Pictures are drawn from rows alone."""

import re

import pytest

pytest.importorskip("matplotlib")

from benchmarks.mrope.prompts import SWEPT
from benchmarks.patch_embed.providers import CONV, LINEAR
from benchmarks.plot.pictures import draw_gaps, draw_layers, draw_ropes
from benchmarks.plot.stages import draw_stages
from benchmarks.record import OFF, OURS, append, compared, read
from benchmarks.serve import PIXELS
from benchmarks.stages import STUBBED_BLOCKS, WHOLE


@pytest.fixture
def recorded(tmp_path):
    def record(*rows):
        append(rows, "rows", tmp_path)
        return read("rows", tmp_path)

    return record


def test_a_layer_has_a_bar_of_each_provider_for_each_model(recorded):
    times = {CONV: [10.0], LINEAR: [2.0], OURS: [2.5]}
    made = [
        one
        for model in ("one", "other")
        for one in compared(times, CONV, what="it", model=model, count=6080, engine="", floor=1.0)
    ]
    rows = recorded(*made)
    figure = draw_layers(rows, rows[0]["device"])
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["one", "other"]
    assert sorted(bar.get_height() for bar in axes.patches) == [2.0, 2.0, 2.5, 2.5, 10.0, 10.0]
    named = {text.get_text() for text in figure.legends[0].get_texts()}
    assert named == {CONV, LINEAR, OURS, "floor"}


def test_positions_are_drawn_by_tokens_and_by_spans(recorded):
    rows = [
        one
        for spans in (1, 8, 64)
        for one in compared({OURS: [1.0]}, OURS, what="it", shape=f"{spans}{SWEPT}", count=spans)
    ]
    left, right = draw_ropes(recorded(*rows)).axes
    assert [len(axes.lines[0].get_xdata()) for axes in (left, right)] == [1, 2]
    assert re.search("8 spans", left.get_xlabel())


def test_a_bar_is_as_high_as_the_gap(recorded):
    rows = compared({OFF: [10.0], PIXELS: [10.0]}, OFF, what="median")
    rows += compared({OFF: [200.0], PIXELS: [100.0]}, OFF, what="worst")
    (axes,) = draw_gaps(recorded(*rows)).axes
    assert sorted(bar.get_height() for bar in axes.patches) == [10.0, 10.0, 100.0, 200.0]


def test_a_bar_is_as_long_as_the_request_and_says_whether_a_tower_computed(recorded):
    common = {"shape": "1 x 1920x1080", "engine": "an engine 1"}
    rows = [
        one
        for tower in (STUBBED_BLOCKS, "32 blocks")
        for what, off, on in (("send", 20.0, 5.0), (WHOLE, 100.0, 50.0))
        for one in compared({OFF: [off], PIXELS: [on]}, OFF, what=what, tower=tower, **common)
    ]
    above, below = draw_stages(recorded(*rows)).axes
    ends = [bar.get_x() + bar.get_width() for bar in above.containers[-1]]
    assert ends == [50.0, 100.0]
    assert "stubbed" in above.get_title()
    assert "the whole tower" in below.get_title()
