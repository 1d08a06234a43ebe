"""An encoder of two processes, of which SGLang loads plugins in the first at most: both have the
override, and it starts as on stock."""

import time

import pytest

from engine_ext import status
from evals import checkpoints
from evals.serving.engines import SGLANG
from evals.serving.servers import cpu_server
from tests.engines.limits import OFF, ON, VERSION, slow

pytestmark = [slow, pytest.mark.skipif(VERSION < (0, 5, 21), reason="tried on newer ones")]

LAYOUTS = {"tensor parallel 2": "tp_size", "data parallel 2": "dp_size"}
SLOWER = 1.5
"""How much longer a start may take: two of stock differ by less."""


def seconds_to_start(folder, name, switch, size):
    environ = {
        **switch,
        "SGLANG_CPU_OMP_THREADS_BIND": "0|1",
        status.VARIABLE: str(folder / f"{name}.jsonl"),
    }
    model, log = checkpoints.path("qwen2_5_vl"), folder / f"{name}.log"
    begun = time.monotonic()
    with cpu_server(SGLANG, model, log, environ=environ, encoder_only=True, **{size: 2}):
        return time.monotonic() - begun


@pytest.mark.shows("layouts", "encoder only, {layout}")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_encoder_of_two_processes_starts_as_fast_as_stock(
    layout, tmp_path, say, record_property
):
    say(f"SGLang, an encoder, {layout}, extension on and off (1 min)")
    stock = seconds_to_start(tmp_path, "stock", OFF, LAYOUTS[layout])
    ours = seconds_to_start(tmp_path, "ours", ON, LAYOUTS[layout])
    record_property("found", f"{ours:.0f} s, stock {stock:.0f} s")
    assert ours < SLOWER * stock
    lines = status.read(tmp_path / "ours.jsonl")
    assert len(lines) == len({line["pid"] for line in lines}) == 2
    assert len({line["launch"] for line in lines}) == 1
    for line in lines:
        assert line["modules"][0]["difference"] < 1e-9
