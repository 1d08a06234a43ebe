"""An encoder of two processes, of which SGLang loads plugins in the first at most: both have the
override, and a language model before it answers as before an encoder of stock."""

import pytest

from evals.serving import status_lines
from tests.engines.limits import OFF, ON, VERSION, slow
from tests.engines.sglang.disaggregated import ENCODER, FAMILY, answers

pytestmark = [slow, pytest.mark.skipif(VERSION < (0, 5, 21), reason="tried on newer ones")]

LAYOUTS = {
    "data parallel 2": {"dp_size": 2},
    "tensor parallel 2": {"tp_size": 2, "tokenizer_worker_num": 2},  # it starts no workers of these
}
BINDS = {"SGLANG_CPU_OMP_THREADS_BIND": "0|1"}


@pytest.mark.shows("layouts", "encoder only, {layout}")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_answers_are_those_of_stock_and_every_process_is_told(
    layout, tmp_path, say, record_property
):
    say(f"SGLang, {FAMILY}, an encoder, {layout}, stock and with the extension (3 min)")
    stock = answers(tmp_path / "stock", {**OFF, **BINDS}, OFF, **LAYOUTS[layout])
    assert answers(tmp_path / "ours", {**ON, **BINDS}, OFF, **LAYOUTS[layout]) == stock
    lines = status_lines.of_models(tmp_path / "ours" / ENCODER / "status.jsonl")
    assert len(lines) == len({line["pid"] for line in lines}) == 2
    assert len({line["launch"] for line in lines}) == 1
    for line in lines:
        assert line["modules"][0]["difference"] < 1e-9
    record_property("found", "both processes have the override")
