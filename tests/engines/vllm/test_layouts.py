"""A model over two processes: the answers of stock in the same layout, each rank verified."""

import pytest

from tests.engines.limits import OFF, ON, slow
from tests.engines.vllm.answers import assert_same
from tests.engines.vllm.runs import UNBIASED, of

PROJECTION = "visual.patch_embed.proj"
TWO_PROCESSES = {"VLLM_CPU_OMP_THREADS_BIND": "0|1"}
TENSOR_PARALLEL = {
    "tensor parallel 2": {"tensor_parallel_size": 2},
    "tensor parallel 2, the tower data-parallel": {
        "tensor_parallel_size": 2,
        "mm_encoder_tp_mode": "data",
    },
}
PIPELINE = "pipeline parallel 2, compiled"


def assert_as_stock(found, expected):
    """The same answers, and a projection replaced in each process that holds a tower."""
    assert_same(found["replies"], expected["replies"])
    ranks = [(rank["linear"], rank["convs"]) for rank in found["ranks"]]
    assert ranks == [(rank["convs"], []) for rank in expected["ranks"]]
    assert len(ranks) == 2


def assert_each_rank_reports(found):
    assert len({line["pid"] for line in found["status"]}) == len(found["status"]) == 2
    for line in found["status"]:
        (module,) = line["modules"]
        assert module["name"] == PROJECTION
        assert module["difference"] < 1e-9


def both(engines, layouts, **environ):
    """What the extension does and what stock does, by layout."""
    by_arm = []
    for arm in (ON, OFF):
        start = engines(**arm, **TWO_PROCESSES, **environ)
        found = {name: start(of(UNBIASED, engine=engine)) for name, engine in layouts.items()}
        by_arm.append(found)
    return by_arm


@pytest.fixture(scope="module")
def tensor_parallel(engines):
    return both(engines, TENSOR_PARALLEL)


@slow
@pytest.mark.shows("layouts", "{layout}")
@pytest.mark.parametrize("layout", TENSOR_PARALLEL)
def test_tensor_parallel_answers_are_those_of_stock(layout, tensor_parallel):
    found, expected = tensor_parallel
    assert_as_stock(found[layout], expected[layout])


@slow
@pytest.mark.shows("layouts", "tensor parallel 2: each rank reports what it replaced")
@pytest.mark.parametrize("layout", TENSOR_PARALLEL)
def test_each_rank_reports_what_it_replaced(layout, tensor_parallel):
    found, expected = tensor_parallel
    assert_each_rank_reports(found[layout])
    assert expected[layout]["status"] == []


@slow
@pytest.mark.shows("layouts", PIPELINE)
def test_pipeline_parallel_answers_are_those_of_stock(engines):
    """Compiled: in eager mode stock cannot, on a CPU it warms up for the compiler only and a stage
    has nothing to receive into before a warm-up.

    Either stage builds the tower (0.32), so both have a projection to replace.
    """
    layout = {PIPELINE: {"pipeline_parallel_size": 2, "enforce_eager": False}}
    found, expected = both(engines, layout, TORCHDYNAMO_DISABLE="0")
    assert_as_stock(found[PIPELINE], expected[PIPELINE])
    assert_each_rank_reports(found[PIPELINE])
