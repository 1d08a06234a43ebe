"""Weights of a running engine, updated by every path: after each, the answers of stock."""

import pytest

from evals import checkpoints
from tests.engines.limits import OFF, slow
from tests.engines.sglang.offline import assert_same_answers, failure
from tests.engines.sglang.updated import BROADCAST, FORMATS, HAS_GROUPS, PARTS, with_groups


def assert_taken_as_by_stock(updated, label):
    assert updated.expected[label][0] is True, updated.expected[label]
    assert updated.found[label][0] is True, updated.found[label]
    assert_same_answers(updated.found[f"ask {label}"], updated.expected[f"ask {label}"])


@pytest.mark.shows("weight paths", "update from tensors, {how}")
@pytest.mark.parametrize("how", FORMATS)
def test_an_update_from_tensors_gives_what_it_gives_on_stock(how, updated):
    assert_taken_as_by_stock(updated, f"tensors {how}")


@pytest.mark.shows("weight paths", "update from tensors, {how}")
@pytest.mark.parametrize("how", PARTS)
def test_an_update_in_parts_gives_what_it_gives_on_stock(how, updated):
    assert_taken_as_by_stock(updated, how)


@with_groups
@pytest.mark.shows("weight paths", "update from a process group (gloo), {how}")
@pytest.mark.parametrize("how", BROADCAST)
def test_an_update_by_broadcast_gives_what_it_gives_on_stock(how, updated):
    assert_taken_as_by_stock(updated, f"broadcast {how}")


@pytest.mark.skipif(HAS_GROUPS, reason="stock sets up a process group here")
@pytest.mark.shows("weight paths", "update from a process group (gloo)")
def test_stock_sets_up_no_process_group_with_this_torch(record_property):
    model = str(checkpoints.path("glm4v"))
    step = ["distributed", None, model]
    said = failure(
        r"_new_process_group_helper[^\n]*'pg_options'", "glm4v", model, {}, [step], **OFF
    )
    record_property("found", f"stock cannot here: TypeError: {said}")


@pytest.mark.shows("weight paths", "update from disk")
@pytest.mark.parametrize(
    "label",
    [
        *(f"disk after {how}" for how in FORMATS),
        *(f"disk after broadcast {how}" for how in BROADCAST if HAS_GROUPS),
        "disk after not finite",
        "disk at last",
    ],
)
def test_an_update_from_disk_gives_what_it_gives_on_stock(label, updated):
    assert_taken_as_by_stock(updated, label)


@pytest.mark.shows("weight paths", "release and resume memory, without the memory saver")
def test_memory_released_and_resumed_leaves_the_answers(updated, record_property):
    assert_taken_as_by_stock(updated, "memory")
    record_property("found", "without the memory saver SGLang keeps the weights where they are")


@slow
@pytest.mark.shows("weight paths", "release and resume memory, with the memory saver")
def test_stock_has_no_memory_saver_for_a_cpu(record_property):
    missing = r"ModuleNotFoundError: No module named 'torch_memory_saver'"
    model = str(checkpoints.path("glm4v"))
    said = failure(missing, "glm4v", model, {"enable_memory_saver": True}, **OFF)
    record_property("found", f"stock cannot here: {said}")


@pytest.mark.shows("weight paths", "update by IPC (checkpoint engine)")
def test_stock_has_no_checkpoint_engine_here(updated, record_property):
    assert updated.found["ipc"] == updated.expected["ipc"]
    succeeded, said = updated.expected["ipc"]
    assert succeeded is False
    assert "checkpoint-engine is not installed" in said
    record_property("found", "stock cannot here: ImportError: checkpoint-engine is not installed")


def test_no_update_writes_a_status_line(updated):
    (line,) = updated.lines
    assert line["modules"][0]["difference"] < 1e-9
