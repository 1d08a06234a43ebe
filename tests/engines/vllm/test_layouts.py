"""A model over two processes: the answers of stock in the same layout, each rank verified."""

import pytest

from evals import checkpoints
from tests.engines.limits import slow
from tests.engines.vllm.answers import assert_same

FAMILY = "qwen2_5_vl"
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


def assert_every_rank_reports(lines, layouts):
    assert len({line["pid"] for line in lines}) == len(lines) == 2 * layouts
    for line in lines:
        (module,) = line["modules"]
        assert module["name"] == PROJECTION
        assert module["difference"] < 1e-5


def both(offline, layouts, **environ):
    """Results by layout of the extension and of stock, and the status lines."""
    model = str(checkpoints.path(FAMILY))
    runs = [{"model": model, "family": FAMILY, "engine": engine} for engine in layouts.values()]
    found, lines, _ = offline(runs, ENGINE_EXT="linear", **TWO_PROCESSES, **environ)
    expected, nothing, _ = offline(runs, ENGINE_EXT="off", **TWO_PROCESSES, **environ)
    assert nothing == []
    by_layout = (dict(zip(layouts, results, strict=True)) for results in (found, expected))
    return *by_layout, lines


@pytest.fixture(scope="module")
def tensor_parallel(offline):
    return both(offline, TENSOR_PARALLEL)


@slow
@pytest.mark.shows("layouts", "{layout}")
@pytest.mark.parametrize("layout", TENSOR_PARALLEL)
def test_tensor_parallel_answers_are_those_of_stock(layout, tensor_parallel):
    found, expected, _ = tensor_parallel
    assert_as_stock(found[layout], expected[layout])


@slow
@pytest.mark.shows("layouts", "tensor parallel 2: each rank reports what it replaced")
def test_each_rank_reports_what_it_replaced(tensor_parallel):
    assert_every_rank_reports(tensor_parallel[2], len(TENSOR_PARALLEL))


@slow
@pytest.mark.shows("layouts", PIPELINE)
def test_pipeline_parallel_answers_are_those_of_stock(offline):
    """Compiled: in eager mode stock cannot, on a CPU it warms up for the compiler only and a stage
    has nothing to receive into before a warm-up.

    Either stage builds the tower (0.32), so both have a projection to replace.
    """
    layout = {PIPELINE: {"pipeline_parallel_size": 2, "enforce_eager": False}}
    found, expected, lines = both(offline, layout, TORCHDYNAMO_DISABLE="0")
    assert_as_stock(found[PIPELINE], expected[PIPELINE])
    assert_every_rank_reports(lines, len(layout))
