"""An encoder of two ranks, the second of which loads no plugins: both have the override, and it
starts as on stock."""

import time

import pytest

from engine_ext import status
from evals import checkpoints
from evals.engines import SGLANG
from evals.servers import cpu_server
from tests.engines.limits import OFF, ON, VERSION, slow

pytestmark = [slow, pytest.mark.skipif(VERSION < (0, 5, 21), reason="tried on newer ones")]

RANKS = 2
SLOWER = 1.5
"""How much longer a start may take: two of stock differ by less."""


def seconds_to_start(folder, name, switch):
    environ = {
        **switch,
        "SGLANG_CPU_OMP_THREADS_BIND": "0|1",
        status.VARIABLE: str(folder / f"{name}.jsonl"),
    }
    model, log = checkpoints.path("qwen2_5_vl"), folder / f"{name}.log"
    begun = time.monotonic()
    with cpu_server(SGLANG, model, log, environ=environ, encoder_only=True, tp_size=RANKS):
        return time.monotonic() - begun


@pytest.mark.shows("layouts", "encoder only, tensor parallel 2")
def test_an_encoder_of_two_ranks_starts_as_fast_as_stock(tmp_path, say, record_property):
    say("SGLang, an encoder of two ranks, extension on and off (1 min)")
    stock = seconds_to_start(tmp_path, "stock", OFF)
    ours = seconds_to_start(tmp_path, "ours", ON)
    record_property("found", f"{ours:.0f} s, stock {stock:.0f} s")
    assert ours < SLOWER * stock
    lines = status.read(tmp_path / "ours.jsonl")
    assert len(lines) == RANKS
    for line in lines:
        assert line["modules"][0]["difference"] < 1e-9
