"""Every deliberate fault of the replacement is stopped, at load or at the update.

Faults of the same kind meet vLLM in the same place: of each kind one is in every run of the tests,
the others in recorded ones. SGLang's loader meets all of them in every run.
"""

import re

import pytest

from tests.engines import faults, injection
from tests.engines.limits import slow
from tests.engines.vllm.answers import assert_same
from tests.engines.vllm.runs import DIRECT, FAULTY, RELOADS_ANOTHER, of

# What is loaded beside a projection that is refused stays: older ones are given nothing else.
UPDATE = "reload from disk" if RELOADS_ANOTHER else DIRECT
FAST = (
    "height and width exchanged before flattening",  # the product
    "kernel transposed on its way in",  # what arrives
    "parameters copied instead of taken over",  # the replacement
)


@pytest.mark.shows("mutations", "{fault.name}")
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=fault.name, marks=() if fault.name in FAST else slow)
        for fault in faults.at(faults.LOAD)
    ],
)
def test_a_fault_stops_the_load_naming_what_is_wrong(fault, arms):
    error = arms.extension[fault.name].get("error", "it loaded")
    assert "VerificationError: visual.patch_embed.proj" in error
    assert re.search(fault.said, error)


def test_every_fault_of_the_table_acts_at_a_load_or_at_an_update():
    assert [*faults.at(faults.LOAD), *faults.at(faults.UPDATE)] == faults.FAULTS


@pytest.fixture(scope="module")
def updates(engines, arms, tmp_path_factory):
    """What a running engine said to each faulty update and answered then, and what stock answers.

    Keyed by the fault; ``None`` is the update without one, at the end.
    """
    chosen = faults.updates(tmp_path_factory.mktemp("faults"), FAULTY)
    then, asked = [], []
    for number, (name, checkpoint) in enumerate(chosen):
        skip = 12 * number
        update = {"do": "update", "as": str(name), "by": UPDATE, "path": checkpoint, "skip": skip}
        then += [{"do": "fault", "of": name or ""}, update]
        asked.append({"do": "ask", "as": str(name), "skip": skip})
    found = arms.extension.run(of(FAULTY, ask=False, fault="", then=then))
    stock = arms.stock.run(of(FAULTY, ask=False, then=asked))
    return {name: (found[str(name)], stock[str(name)]) for name, _ in chosen}


def assert_refused_without_loss(update, pattern):
    found, stock = update
    assert "VerificationError: visual.patch_embed.proj" in found["error"]
    assert re.search(pattern, found["error"])
    assert_same(found["replies"], stock)


@slow
@pytest.mark.shows("mutations", "{fault.name}")
@pytest.mark.parametrize("fault", faults.at(faults.UPDATE), ids=lambda fault: fault.name)
def test_a_faulty_update_is_refused_and_the_engine_answers_as_before(fault, updates):
    assert_refused_without_loss(updates[fault.name], fault.said)


@slow
@pytest.mark.shows("mutations", faults.HALF)
@pytest.mark.skipif(not RELOADS_ANOTHER, reason="this vLLM reloads no other checkpoint")
def test_half_a_checkpoint_is_refused_and_the_engine_answers_as_before(updates):
    assert_refused_without_loss(updates[faults.HALF], "bias: not among the weights of this update")


@slow
def test_the_same_update_without_a_fault_is_taken(updates):
    found, stock = updates[None]
    assert found["error"] is None
    assert found["replies"] != stock  # the other checkpoint answers


@slow
@pytest.mark.shows("mutations", faults.ONE_RANK)
def test_a_group_in_which_one_rank_is_stock_does_not_start(engines, tmp_path):
    ranks = {"VLLM_CPU_OMP_THREADS_BIND": "0|1"}
    start = engines(**ranks, **injection.environ(tmp_path, faults.ONE_RANK))
    found = start(of(FAULTY, ask=False, engine={"tensor_parallel_size": 2}))
    assert "error" in found
    assert "rank 1 of the tensor-parallel group did not report what it serves" in found["log"]
