"""A model over two processes: the answers of stock in the same layout, each rank verified."""

import pytest

from evals import checkpoints
from tests.engines.vllm.answers import assert_same

FAMILY = "qwen2_5_vl"
PROJECTION = "visual.patch_embed.proj"
LAYOUTS = {
    "tensor parallel 2": {"tensor_parallel_size": 2},
    "tensor parallel 2, the tower data-parallel": {
        "tensor_parallel_size": 2,
        "mm_encoder_tp_mode": "data",
    },
    # vLLM gives a stage what it receives into only when it warms up, which it does to find out
    # how large the cache of keys and values may be: where nothing says so.
    "pipeline parallel 2": {"pipeline_parallel_size": 2},
}
# Of the memory of this machine, for each process.
MEMORY = {"gpu_memory_utilization": 0.15}


@pytest.fixture(scope="module")
def arms(offline):
    """Result by layout of the extension and of stock, and the status lines."""
    model = str(checkpoints.path(FAMILY))
    runs = [
        {"model": model, "family": FAMILY, "engine": {**MEMORY, **engine}}
        for engine in LAYOUTS.values()
    ]
    environ = {"VLLM_CPU_OMP_THREADS_BIND": "0|1", "VLLM_CPU_KVCACHE_SPACE": None}
    found, lines, _ = offline(runs, ENGINE_EXT="linear", **environ)
    expected, nothing, _ = offline(runs, ENGINE_EXT="off", **environ)
    assert nothing == []
    return dict(zip(LAYOUTS, found, strict=True)), dict(zip(LAYOUTS, expected, strict=True)), lines


@pytest.mark.shows("layouts", "{layout}")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_answers_are_those_of_stock_in_the_same_layout(layout, arms):
    found, expected, _ = arms
    assert_same(found[layout]["replies"], expected[layout]["replies"])


@pytest.mark.shows("layouts", "{layout}: the ranks")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_rank_that_holds_a_tower_has_replaced_its_projection(layout, arms):
    found, expected, _ = arms
    ranks = [(rank["linear"], rank["convs"]) for rank in found[layout]["ranks"]]
    assert ranks == [(rank["convs"], []) for rank in expected[layout]["ranks"]]
    assert ranks == [([PROJECTION], [])] * 2


def test_every_rank_reports_what_it_verified(arms):
    _, _, lines = arms
    assert len({line["pid"] for line in lines}) == len(lines) == 2 * len(LAYOUTS)
    for line in lines:
        (module,) = line["modules"]
        assert module["name"] == PROJECTION
        assert module["difference"] < 1e-5
