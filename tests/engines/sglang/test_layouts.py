"""A model over several processes: the answers, the status lines and the updates of each layout."""

import pytest

from evals import checkpoints
from tests.engines.damage import changed
from tests.engines.limits import IS_OLD_SGLANG, OFF, slow
from tests.engines.sglang.offline import Compared, assert_same_answers, failure

pytestmark = [slow, pytest.mark.skipif(IS_OLD_SGLANG, reason="tried on newer ones")]


FAMILY = "glm4v"  # its projection has a bias
TWO_PROCESSES = {"SGLANG_CPU_OMP_THREADS_BIND": "0|1"}
UPDATES = {
    "disk": "disk",
    "tensors": "tensors",
    "tensors, one an update": "one by one",
    "a process group (gloo)": "broadcast",
}
OTHERS = {
    "tensor parallel 2, the tower data-parallel": {"tp_size": 2, "mm_enable_dp_encoder": True},
    "pipeline parallel 2": {"pp_size": 2},
}


def processes(compared):
    """How many processes have reported the replacement; each has done so once."""
    assert all(line["modules"][0]["difference"] < 1e-9 for line in compared.lines)
    ranks = {line["pid"] for line in compared.lines}
    assert len(compared.lines) == len(ranks)
    return len(ranks)


@pytest.fixture(scope="module")
def in_parallel(tmp_path_factory, say):
    folder = tmp_path_factory.mktemp("tensor-parallel")
    original, other = str(checkpoints.path(FAMILY)), changed(folder, FAMILY)
    steps = {
        "ask at first": ["ask", 0],
        "disk": ["disk", other],
        "ask disk": ["ask", 2],
        "tensors": ["tensor", None, original],
        "ask tensors": ["ask", 4],
        "broadcast": ["distributed", None, other],
        "ask broadcast": ["ask", 6],
        "one by one": ["one by one", original],
        "ask one by one": ["ask", 8],
    }
    return Compared(FAMILY, steps, folder, say, {"tp_size": 2}, **TWO_PROCESSES)


@pytest.mark.shows("layouts", "tensor parallel 2")
def test_a_tensor_parallel_engine_answers_as_stock(in_parallel):
    assert_same_answers(in_parallel.found["ask at first"], in_parallel.expected["ask at first"])


@pytest.mark.shows("layouts", "tensor parallel 2: each rank reports what it replaced")
def test_each_rank_writes_one_status_line(in_parallel):
    assert processes(in_parallel) == 2


@pytest.mark.shows("layouts", "tensor parallel 2: update from {path}")
@pytest.mark.parametrize("path", UPDATES)
def test_an_update_of_all_ranks_gives_what_it_gives_on_stock(path, in_parallel):
    found, expected, label = in_parallel.found, in_parallel.expected, UPDATES[path]
    assert expected[label][0] is True, expected[label]
    assert found[label][0] is True, found[label]
    assert_same_answers(found[f"ask {label}"], expected[f"ask {label}"])


@pytest.mark.shows("layouts", "{layout}")
@pytest.mark.parametrize("layout", OTHERS)
def test_other_layouts_answer_as_stock_before_and_after_an_update(
    layout, tmp_path, say, record_property
):
    steps = {
        "at first": ["ask", 0],
        "update": ["disk", changed(tmp_path, FAMILY)],
        "updated": ["ask", 2],
    }
    compared = Compared(FAMILY, steps, tmp_path, say, OTHERS[layout], **TWO_PROCESSES)
    assert compared.expected["update"][0] is True
    assert compared.found["update"][0] is True, compared.found["update"]
    for label in ("at first", "updated"):
        assert_same_answers(compared.found[label], compared.expected[label])
    assert processes(compared) == 2
    record_property("found", "two processes hold the tower, each reports it")


@pytest.mark.shows("layouts", "tensor parallel 2, attention data-parallel")
def test_stock_runs_no_data_parallel_attention_on_this_cpu(record_property):
    said = failure(
        r"AttributeError: 'TorchNativeAttnBackend' object has no attribute '\w*cpu_graph\w*'",
        FAMILY,
        str(checkpoints.path(FAMILY)),
        {"tp_size": 2, "dp_size": 2, "enable_dp_attention": True},
        **TWO_PROCESSES,
        **OFF,
    )
    record_property("found", f"stock cannot here: {said}")
