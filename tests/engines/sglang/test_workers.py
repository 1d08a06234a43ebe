"""Several tokenizers, which load no plugins: answers are stock's, and each has the extension."""

import pytest

from tests.engines.deployed import deploy
from tests.engines.limits import VERSION, slow

pytestmark = [slow, pytest.mark.skipif(VERSION < (0, 5, 21), reason="tried on newer ones")]

FAMILY, WORKERS, ROUNDS = "qwen2_5_vl", 2, 6
PATIENT = {"SGLANG_UVICORN_WORKER_HEALTHCHECK_TIMEOUT": "120"}
"""Uvicorn ends a worker that imports for longer than this, and starts another: on stock too."""


@pytest.mark.shows("layouts", "two tokenizers")
def test_answers_are_stocks_and_each_worker_sends_pixels_and_computes_positions(
    tmp_path, served, say, record_property
):
    say("SGLang, two tokenizers (1 min)")
    found = deploy(FAMILY, tmp_path, PATIENT, rounds=ROUNDS, tokenizer_worker_num=WORKERS)
    stock = served(FAMILY, "off").replies
    for replies in found.rounds:
        assert replies == {name: stock[name] for name in replies}
    assert found.report["problems"] == []
    workers = found.by_role("sender")
    assert len(workers) == WORKERS
    for one in workers:
        assert one["sends"] == ["image", "video"]
        assert one["positions"], f"worker {one['pid']} has answered by SGLang's own positions"
        assert f"{one['pid']}" != f"{found.by_role('model')[0]['pid']}"
    # SGLang sets up no log in a worker; a line of ours is written as uvicorn writes its own.
    said = [line for line in found.log.splitlines() if "engine_ext: " in line and "INFO" in line]
    assert sum(" beside sglang " in line for line in said) == WORKERS
    record_property("found", "each worker sends pixels and computes positions")
