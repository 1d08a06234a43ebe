"""Servers of several processes: the answers of stock in the same layout, and each process tells
what it does."""

import pytest

from tests.engines.deployed import deploy
from tests.engines.limits import DEFAULT, OFF, VERSION, slow
from tests.engines.sglang.test_workers import PATIENT

pytestmark = [slow, pytest.mark.skipif(VERSION < (0, 5, 21), reason="tried on newer ones")]

FAMILY = "qwen2_5_vl"
LAYOUTS = {
    "data parallel 2": ({"dp_size": 2}, 2),
    "tensor parallel 2, two tokenizers": ({"tp_size": 2, "tokenizer_worker_num": 2}, 2),
}
"""Settings, and how many processes hold a model."""
BINDS = {"SGLANG_CPU_OMP_THREADS_BIND": "0|1", **PATIENT}


@pytest.mark.shows("layouts", "{layout}")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_answers_are_those_of_stock_and_every_process_is_told(
    layout, tmp_path, say, record_property
):
    settings, models = LAYOUTS[layout]
    say(f"SGLang, {layout}, stock and with the extension (2 min)")
    stock = deploy(FAMILY, tmp_path / "stock", {**OFF, **BINDS}, **settings)
    found = deploy(FAMILY, tmp_path / "ours", {**DEFAULT, **BINDS}, rounds=2, **settings)
    for replies in found.rounds:
        assert replies == stock.rounds[0]
    assert stock.report is None
    assert found.report["problems"] == []
    senders = settings.get("tokenizer_worker_num", 1)
    assert (len(found.by_role("model")), len(found.by_role("sender"))) == (models, senders)
    assert all(one["sends"] == ["image", "video"] for one in found.by_role("sender"))
    record_property("found", "each process writes its line")
