"""Tables are drawn from rows alone."""

import pytest

from benchmarks.gpu.host_path import COMPACT, STOCK
from benchmarks.gpu.summary import lines as summed_up
from benchmarks.load.__main__ import rows_of
from benchmarks.mrope.peers import WRITE
from benchmarks.page.tables import REST, TABLES
from benchmarks.patch_embed.providers import CONV, CONV_CUDNN_OFF, LINEAR
from benchmarks.record import OFF, OURS, Row, append, compared, read
from benchmarks.serve import PIXELS
from benchmarks.stages import BYTES, HASHED, HOST_TIME, SCHEDULER, STAGES, WHOLE


@pytest.fixture
def drawn(tmp_path):
    """The lines of a table of some rows, each by its headings."""

    def draw(place, *rows):
        append(rows, "rows", tmp_path)
        head, _, *lines = (
            [cell.strip() for cell in line.split("|")[1:-1]]
            for line in TABLES[place].drawn(read("rows", tmp_path)).splitlines()
        )
        return [list(zip(head, line, strict=True)) for line in lines]

    return draw


def row(what, provider, median, **changes):
    fixed = {"model": "a model", "tower": "", "shape": "D=8 K=3x2x4x4", "count": 6080}
    fixed |= {"dtype": "bfloat16", "device": "a device", "low": median, "high": 2 * median}
    return Row(what, provider, median=median, **{**fixed, **changes})


def layer(provider, median, **changes):
    more = {"ratio": 10 / median, "reference": CONV, "floor": 1.0, **changes}
    return row("patch_embed", provider, median, **more)


LAYERS = [layer(CONV, 10), layer(LINEAR, 2.0), layer(OURS, 2.5)]


def test_a_layer_is_compared_with_the_convolution_the_product_and_the_floor(drawn):
    (line,) = drawn("layers", *LAYERS)
    found = dict(line)
    assert found["nn.Conv3d, ms"] == "10 (10 to 20)"
    assert (found[LINEAR], found["ours"], found[CONV_CUDNN_OFF]) == ("5.00x", "4.00x", "-")
    assert (found["ours / F.linear"], found["ours / floor"]) == ("1.250", "2.50")


def test_counts_stand_beside_each_other(drawn):
    (line,) = drawn("counts", *LAYERS, layer(CONV, 40, count=64), layer(OURS, 4.0, count=64))
    assert line[3:6] == [("64", "2.50x"), ("1024", "-"), ("6080", "4.00x")]


def test_an_engine_is_compared_by_its_own_layer(drawn):
    own = [layer(CONV, 10), layer("vLLM 0.32.0, its layer", 2.0), layer(OURS, 2.0)]
    own = [Row(**{**vars(one), "engine": "vLLM 0.32.0"}) for one in own]
    (line,) = drawn("engine layers", *LAYERS, *own)
    assert (line[0], line[-1]) == (("engine", "vLLM 0.32.0"), ("its layer / ours", "1.00x"))


def test_the_share_of_the_projection_is_of_all_components(drawn):
    rows = [row("tower", name, 100.0, ratio=1.0) for name in (CONV, OURS)]
    for name, projection in ((CONV, 30.0), (OURS, 5.0)):
        rows.append(row("patch_embed", name, projection))
        rows.append(row("blocks", name, 100 - projection))
    (line,) = drawn("towers", *rows)
    assert [cell for _, cell in line[-2:]] == ["30.0 %", "5.0 %"]


def test_loads_say_what_is_more(drawn):
    runs = {
        arm: [{"milliseconds": 1e3 * seconds, "peak_mib": mib, "parameters": 5}]
        for arm, seconds, mib in ((OURS, 1.5, 110), (CONV, 1.0, 100))
    }
    (line,) = drawn("loads", *rows_of("a tower", "cpu", runs))
    found = [cell for _, cell in line[1:]]
    assert found == ["a tower", "1.00 s", "1.50 s", "+0.50 s", "100 MiB", "110 MiB", "+10 MiB"]


def rope(provider, median, shape="1 images", **changes):
    return row("mrope", provider, median, **{"shape": shape, "difference": 0.0, **changes})


def test_positions_of_others_are_times_ours(drawn):
    rows = [rope(OURS, 0.5), rope(WRITE, 0.1), rope("SGLang 0.5.23", 20.0)]
    rows.append(rope("transformers 5.19.0", 1.0, difference=1.0))
    (line,) = drawn("ropes", *rows, rope(OURS, 1.0, "8 spans"))
    others = "SGLang 0.5.23 40.0x, transformers 5.19.0 2.0x (other positions)"
    assert [cell for _, cell in line[4:]] == ["0.500", others, "5.0x"]


def test_shorter_gaps_are_better(drawn):
    rows = [
        *compared({OFF: [10.0], PIXELS: [10.0]}, OFF, what="median"),
        *compared({OFF: [200.0], PIXELS: [100.0]}, OFF, what="worst"),
    ]
    off, on = (dict(line) for line in drawn("gaps", *rows))
    assert (off["server"], on["server"]) == (OFF, PIXELS)
    assert (on["median, ms"], on["worst, ms"]) == ("10 (10 to 10)", "100 (100 to 100)")
    assert drawn("gaps", *rows)[1][-1] == ("better by", "2.00x")


def both(what, off, on, **more):
    return compared({OFF: [off], PIXELS: [on]}, OFF, what=what, engine="an engine 1", **more)


ALONE = [
    *both("image processor", 40.0, 10.0),
    *both("send", 20.0, 5.0),
    *both("normalise", 10.0, 0.0),
    *both(HOST_TIME, 60.0, 15.0),
    *both(SCHEDULER, 30.0, 3.0),
    *both(HASHED, 20.0, 0.0),
    *both(WHOLE, 100.0, 50.0),
    *both(BYTES, 4704, 588, unit="B"),
]
AT_ONCE = [
    *both("requests/s", 5.0, 10.0, unit="requests/s", count=4),
    *both("first token", 200.0, 100.0, count=4),
]


def test_less_time_and_fewer_bytes_are_better(drawn):
    off, on = drawn("pixel hosts", *ALONE, *AT_ONCE)
    assert (dict(off)[BYTES], dict(on)[BYTES]) == ("4704", "588")
    assert [cell for name, cell in on if name == "better by"] == ["4.00x", "2.00x"]
    assert dict(off)["of it hashing"] == "20 (20 to 20)"
    assert dict(on)["of it hashing"] == "0 (0 to 0)"


def test_stages_are_shares_of_the_whole_request(drawn):
    off, on = (dict(line) for line in drawn("pixel stages", *ALONE, *AT_ONCE))
    assert off.keys() >= {*STAGES, REST, WHOLE}
    assert (off["image processor"], on["image processor"]) == ("40 (40%)", "10 (20%)")
    assert (off["normalise"], on["normalise"], off["hash"]) == ("10 (10%)", "-", "-")
    assert (off[REST], on[REST]) == ("30 (30%)", "35 (70%)")
    assert (off[WHOLE], on[WHOLE]) == ("100", "50")


def test_more_requests_are_better(drawn):
    _, line = drawn("pixel rates", *ALONE, *AT_ONCE)
    assert [cell for name, cell in line if name == "better by"] == ["2.00x", "2.00x"]


def test_a_gpu_is_summed_up_against_what_is_expected_of_it(tmp_path):
    gpu = {"device": "a GPU", "ratio": 1.0, "peak_mib": 1.0}
    times = {CONV: 10.0, CONV_CUDNN_OFF: 100.0, LINEAR: 2.0, OURS: 2.5}
    layers = [row("patch_embed", name, ms, **gpu) for name, ms in times.items()]
    append(layers, "patch_embed", tmp_path)
    shape = {**gpu, "shape": "1 x 1920x1080"}
    hosts = [row("host_path", name, ms, **shape) for name, ms in ((STOCK, 5.0), (COMPACT, 1.0))]
    append(hosts, "host_path", tmp_path)
    found = {what.partition(", bf16")[0]: rest for what, *rest in summed_up(tmp_path, "a GPU")}
    assert found["layer, cuDNN off"] == ["100", "2.5", "40x", "over 24.8x: met"]
    assert found[f"bare {LINEAR}"] == ["2", "2.5", "1.250 of it", "at most 1.10: missed"]
    assert found["peak memory of the layer"][-1] == "no more: met"
    assert found["host to rows, 1 x 1920x1080"][-1] == "over 4x: met"
