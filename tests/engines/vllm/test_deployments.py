"""Servers of several processes: the answers of stock in the same layout, and each process tells
what it does."""

import pytest

from tests.engines.deployed import deploy
from tests.engines.limits import DEFAULT, OFF, ON, slow, with_pixels

pytestmark = [slow, with_pixels]

FAMILY = "qwen2_5_vl"
BINDS = {"VLLM_CPU_OMP_THREADS_BIND": "0|1"}
LAYOUT = {"data_parallel_size": 2, "api_server_count": 2}
SENDS = {"by default": (DEFAULT, []), "pixels named": (ON, ["image"])}


@pytest.fixture(scope="module")
def stock(tmp_path_factory, say):
    say("vLLM, two engines and two API servers, stock (1 min)")
    return deploy(FAMILY, tmp_path_factory.mktemp("stock"), {**OFF, **BINDS}, **LAYOUT)


@pytest.mark.shows("layouts", "data parallel 2, two API servers, {features}")
@pytest.mark.parametrize("features", SENDS)
def test_answers_are_those_of_stock_and_every_process_is_told(
    features, stock, tmp_path, say, record_property
):
    say(f"vLLM, two engines and two API servers, {features} (1 min)")
    switch, sends = SENDS[features]
    found = deploy(FAMILY, tmp_path, {**switch, **BINDS}, rounds=4, **LAYOUT)
    for replies in found.rounds:
        assert replies == stock.rounds[0]
    assert stock.report is None
    assert found.report["problems"] == []
    assert sorted(one["part"] for one in found.by_role("model")) == [0, 1]
    assert [one["sends"] for one in found.by_role("sender")] == [sends, sends]
    record_property("found", "each process writes its line")
