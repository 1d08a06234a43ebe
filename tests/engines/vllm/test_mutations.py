"""Every deliberate fault of the replacement is stopped, at load or at the update."""

import re

import pytest

from evals import checkpoints
from tests.engines import faults, injection
from tests.engines.limits import VERSION
from tests.engines.vllm.answers import assert_same

FAMILY = "glm4v"  # its projection has a bias
MODEL = str(checkpoints.path(FAMILY))
NAMES_A_CHECKPOINT = VERSION > (0, 11, 0)
# What is loaded beside a projection that is refused stays: older ones are given nothing else.
UPDATE = "reload from disk" if NAMES_A_CHECKPOINT else "load_weights of the patch embedding"


@pytest.fixture(scope="module")
def loads(offline, tmp_path_factory):
    """What an engine said that was to load under each fault."""
    folder = tmp_path_factory.mktemp("faults")
    names = [fault.name for fault in faults.at(faults.LOAD)]
    runs = [{"model": MODEL, "family": FAMILY, "ask": False, "fault": name} for name in names]
    found, *_ = offline(runs, ENGINE_EXT="linear", **injection.environ(folder))
    return {
        name: result.get("error", "it loaded") for name, result in zip(names, found, strict=True)
    }


@pytest.mark.shows("mutations", "{fault.name}")
@pytest.mark.parametrize("fault", faults.at(faults.LOAD), ids=lambda fault: fault.name)
def test_a_fault_stops_the_load_naming_what_is_wrong(fault, loads):
    assert "VerificationError: visual.patch_embed.proj" in loads[fault.name]
    assert re.search(fault.said, loads[fault.name])


@pytest.fixture(scope="module")
def updates(offline, tmp_path_factory):
    """What a running engine said to each faulty update and answered then, and what stock answers.

    Keyed by the fault; ``None`` is the update without one, at the end.
    """
    folder = tmp_path_factory.mktemp("faults")
    chosen = faults.updates(folder, FAMILY)
    then, asked = [], []
    for number, (name, checkpoint) in enumerate(chosen):
        skip = 12 * number
        update = {"do": "update", "as": str(name), "by": UPDATE, "path": checkpoint, "skip": skip}
        then += [{"do": "fault", "of": name or ""}, update]
        asked.append({"do": "ask", "as": str(name), "skip": skip})
    run = {"model": MODEL, "family": FAMILY, "ask": False}
    (found,), *_ = offline(
        [{**run, "then": then}], ENGINE_EXT="linear", **injection.environ(folder)
    )
    (stock,), *_ = offline([{**run, "then": asked}], ENGINE_EXT="off")
    return {name: (found[str(name)], stock[str(name)]) for name, _ in chosen}


def assert_refused_without_loss(update, pattern):
    found, stock = update
    assert "VerificationError: visual.patch_embed.proj" in found["error"]
    assert re.search(pattern, found["error"])
    assert_same(found["replies"], stock)


@pytest.mark.shows("mutations", "{fault.name}")
@pytest.mark.parametrize("fault", faults.at(faults.UPDATE), ids=lambda fault: fault.name)
def test_a_faulty_update_is_refused_and_the_engine_answers_as_before(fault, updates):
    assert_refused_without_loss(updates[fault.name], fault.said)


@pytest.mark.shows("mutations", faults.HALF)
@pytest.mark.skipif(not NAMES_A_CHECKPOINT, reason="this vLLM reloads no other checkpoint")
def test_half_a_checkpoint_is_refused_and_the_engine_answers_as_before(updates):
    assert_refused_without_loss(updates[faults.HALF], "bias: not among the weights of this update")


def test_the_same_update_without_a_fault_is_taken(updates):
    found, stock = updates[None]
    assert found["error"] is None
    assert found["replies"] != stock  # the other checkpoint answers


@pytest.mark.skipif(not NAMES_A_CHECKPOINT, reason="this vLLM reloads no other checkpoint")
def test_every_fault_of_the_table_was_stopped(loads, updates):
    stopped = [name for name, said in loads.items() if "VerificationError" in said]
    stopped += [name for name, (found, _) in updates.items() if found["error"]]
    assert stopped == [*(fault.name for fault in faults.FAULTS), faults.HALF]


@pytest.mark.shows("mutations", faults.ONE_RANK)
def test_a_group_in_which_one_rank_is_stock_does_not_start(offline, tmp_path):
    run = {"model": MODEL, "family": FAMILY, "ask": False, "engine": {"tensor_parallel_size": 2}}
    ranks = {"VLLM_CPU_OMP_THREADS_BIND": "0|1"}
    environ = injection.environ(tmp_path, faults.ONE_RANK)
    (found,), _, log = offline([run], ENGINE_EXT="linear", **ranks, **environ)
    assert "error" in found
    assert "rank 1 of the tensor-parallel group did not report what it serves" in log
