"""Tables and pictures are drawn from rows alone."""

import re

import pytest

from benchmarks.gpu_summary import lines as summed_up
from benchmarks.host_path import COMPACT, STOCK
from benchmarks.load import compared
from benchmarks.plot import draw_layers, draw_ropes
from benchmarks.providers import CONV, CONV_CUDNN_OFF, LINEAR, OURS
from benchmarks.record import Row, append, newest, read
from benchmarks.rope_tables import WRITE, ropes
from benchmarks.tables import counts, engine_layers, layers, loads, points, towers


def rows(tmp_path, *made):
    return newest(read(append(made, "rows", tmp_path)))


def row(what, provider, median, **changes):
    fixed = {"shape": "D=8 K=3x2x4x4", "count": 6080, "dtype": "bfloat16", "device": "a device"}
    return Row(what, provider, **{**fixed, **changes}, median=median, low=median, high=2 * median)


def layer(provider, median, **changes):
    return row("patch_embed", provider, median, ratio=10 / median, floor=1.0, **changes)


@pytest.fixture
def three_layers():
    return [layer(CONV, 10), layer(LINEAR, 2.0), layer(OURS, 2.5)]


def cells(text):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]


def test_a_layer_is_compared_with_the_convolution_the_product_and_the_floor(tmp_path, three_layers):
    (line,) = cells(layers(rows(tmp_path, *three_layers)))
    assert line[2:] == ["D=8 K=3x2x4x4", "10 (10 to 20)", "5.00x", "4.00x", "1.250", "2.50"]


def test_counts_stand_beside_each_other(tmp_path, three_layers):
    more = [layer(CONV, 40, count=64), layer(OURS, 4.0, count=64)]
    (line,) = cells(counts(rows(tmp_path, *three_layers, *more)))
    assert line[3:] == ["2.50x", "4.00x"]


def test_an_engine_is_compared_by_its_own_layer(tmp_path, three_layers):
    engine = {"engine": "vLLM 0.32.0"}
    own = [layer(n, m, **engine) for n, m in ((CONV, 10), ("vLLM 0.32.0, its layer", 2.0))]
    (line,) = cells(engine_layers(rows(tmp_path, *three_layers, *own, layer(OURS, 2.0, **engine))))
    assert (line[0], line[-1]) == ("vLLM 0.32.0", "1.00x")


def test_the_share_of_the_projection_is_of_all_components(tmp_path):
    made = [row("tower", name, 100.0, ratio=1.0) for name in (CONV, OURS)]
    parts = [(CONV, "patch_embed", 30), (CONV, "blocks", 70), (OURS, "patch_embed", 5)]
    parts.append((OURS, "blocks", 95))
    made += [row("tower components", f"{n}: {part}", float(ms)) for n, part, ms in parts]
    (line,) = cells(towers(rows(tmp_path, *made)))
    assert line[-2:] == ["30.0 %", "5.0 %"]


def test_loads_say_what_is_more(tmp_path):
    runs = {
        arm: [{"milliseconds": 1e3 * seconds, "peak_mib": mib, "parameters": 5}]
        for arm, seconds, mib in ((OURS, 1.5, 110), (CONV, 1.0, 100))
    }
    (line,) = cells(loads(rows(tmp_path, *compared("a tower", "cpu", runs))))
    assert line[1:] == ["a tower", "1.00 s", "1.50 s", "+0.50 s", "100 MiB", "110 MiB", "+10 MiB"]


def rope(provider, median, title="1 image", **changes):
    shape = f"qwen3_vl, {title}"
    return row("mrope", provider, median, **{"shape": shape, "difference": 0.0, **changes})


def test_positions_of_others_are_times_ours(tmp_path):
    made = [rope("engine_ext", 0.5), rope(WRITE, 0.1), rope("SGLang 0.5.23", 20.0)]
    made.append(rope("transformers 5.19.0", 1.0, difference=1.0))
    (line,) = cells(ropes(rows(tmp_path, *made, rope("engine_ext", 1.0, "8 spans"))))
    assert line[4:] == [
        "0.500",
        "SGLang 0.5.23 40.0x, transformers 5.19.0 2.0x (other positions)",
        "5.0x",
    ]


def test_runs_are_not_mixed(tmp_path, three_layers):
    other = [layer(OURS, 9.0, engine="vLLM 0.32.0")]
    assert [sorted(point) for point in points(rows(tmp_path, *three_layers, *other))] == [
        sorted([CONV, LINEAR, OURS]),
        [OURS],
    ]


def test_pictures_hold_every_provider(tmp_path, three_layers):
    more = [layer(one.provider, 2 * one.median, count=64) for one in three_layers]
    figure = draw_layers(rows(tmp_path, *three_layers, *more), "a device")
    named = {text.get_text() for text in figure.legends[0].get_texts()}
    assert named == {CONV, LINEAR, OURS, "floor"}
    swept = [rope("engine_ext", 1.0, f"{n} spans", count=n) for n in (1, 8, 64)]
    left, right = draw_ropes(rows(tmp_path / "ropes", *swept)).axes
    assert [len(axes.lines[0].get_xdata()) for axes in (left, right)] == [1, 2]
    assert re.search("8 spans", left.get_xlabel())


def test_a_gpu_is_summed_up_against_what_is_expected_of_it(tmp_path):
    gpu = {"device": "a GPU", "ratio": 1.0, "peak_mib": 1.0}
    layers_of_it = [
        row("patch_embed", name, ms, **gpu)
        for name, ms in ((CONV, 10), (CONV_CUDNN_OFF, 100), (LINEAR, 2.0), (OURS, 2.5))
    ]
    append(layers_of_it, "patch_embed", tmp_path)
    shape = {**gpu, "shape": "1 x 1920x1080"}
    append(
        [row("host path", name, ms, **shape) for name, ms in ((STOCK, 5.0), (COMPACT, 1.0))],
        "host_path",
        tmp_path,
    )
    lines = {line.what.partition(", bf16")[0]: line for line in summed_up(tmp_path, "a GPU")}
    assert (lines["layer, cuDNN off"].found, lines["layer, cuDNN off"].met) == ("40x", True)
    assert (lines[f"bare {LINEAR}"].found, lines[f"bare {LINEAR}"].met) == ("1.250 of it", False)
    assert lines["peak memory of the layer"].met
    assert lines["host to rows, 1 x 1920x1080"].met
