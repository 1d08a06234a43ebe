"""Every deliberate fault of the replacement is stopped, at load or at the update."""

import re

import pytest

from engine_ext.patch_embed import VerificationError
from evals import checkpoints
from evals.sglang_loader import load
from tests.engines import faults, injection
from tests.engines.limits import OFF, ON, VERSION, slow
from tests.engines.sglang.offline import assert_same_answers, failure, run

FAMILY = "glm4v"  # its projection has a bias
MODEL = str(checkpoints.path(FAMILY))


@pytest.fixture(scope="module")
def loads(extended):
    """What SGLang's loader said under each fault; an empty text where it loaded."""
    said = {}
    for name in ["", *(fault.name for fault in faults.at(faults.LOAD))]:
        said[name] = ""
        with extended(), injection.injected(lambda: name):  # noqa: B023
            try:
                load(MODEL)
            except VerificationError as error:
                said[name] = str(error)
    return said


@pytest.mark.shows("mutations", "{fault.name}")
@pytest.mark.parametrize("fault", faults.at(faults.LOAD), ids=lambda fault: fault.name)
def test_a_fault_stops_the_load_naming_what_is_wrong(fault, loads):
    assert "visual.patch_embed.proj" in loads[fault.name]
    assert re.search(fault.said, loads[fault.name])


def test_without_a_fault_the_same_harness_loads(loads):
    assert loads[""] == ""


@pytest.fixture(scope="module")
def updates(tmp_path_factory, say):
    """What a running engine said to each faulty update and answered then, and what stock answers.

    Keyed by the fault; ``None`` is the update without one, at the end.
    """
    folder = tmp_path_factory.mktemp("faults")
    chosen = faults.updates(folder, FAMILY)
    steps = [
        step
        for number, (name, checkpoint) in enumerate(chosen)
        for step in (
            ["fault", name or ""],
            ["disk", checkpoint],
            ["fault", ""],
            ["ask", 2 * number],
        )
    ]
    say(f"SGLang: {len(chosen)} faulty updates of one engine (40 s)")
    found = run(FAMILY, MODEL, steps, **ON, **injection.environ(folder))
    say("SGLang: what stock answers (30 s)")
    stock = run(FAMILY, MODEL, [["ask", 2 * number] for number in range(len(chosen))], **OFF)
    names = [name for name, _ in chosen]
    return {
        name: {"said": said, "answers": answers, "stock": expected}
        for name, said, answers, expected in zip(
            names, found[1::4], found[3::4], stock, strict=True
        )
    }


def assert_refused_without_loss(update, pattern):
    succeeded, message = update["said"]
    assert succeeded is False
    assert "visual.patch_embed.proj" in message
    assert re.search(pattern, message)
    assert_same_answers(update["answers"], update["stock"])


@slow
@pytest.mark.shows("mutations", "{fault.name}")
@pytest.mark.parametrize("fault", faults.at(faults.UPDATE), ids=lambda fault: fault.name)
def test_a_faulty_update_is_refused_and_the_engine_answers_as_before(fault, updates):
    assert_refused_without_loss(updates[fault.name], fault.said)


@slow
@pytest.mark.shows("mutations", faults.HALF)
def test_half_a_checkpoint_is_refused_and_the_engine_answers_as_before(updates):
    assert_refused_without_loss(updates[faults.HALF], "bias: not among the weights of this update")


@slow
def test_the_same_update_without_a_fault_is_taken(updates):
    assert updates[None]["said"][0] is True
    assert updates[None]["answers"]["logprobs"] != updates[None]["stock"]["logprobs"]


@slow
def test_every_fault_of_the_table_was_stopped(loads, updates):
    stopped = [name for name, said in loads.items() if said]
    stopped += [name for name, update in updates.items() if not update["said"][0]]
    assert stopped == [*(fault.name for fault in faults.FAULTS), faults.HALF]


@slow
@pytest.mark.skipif(VERSION < (0, 5, 11), reason="two ranks on a CPU: tried on newer ones")
@pytest.mark.shows("mutations", faults.ONE_RANK)
def test_a_group_in_which_one_rank_is_stock_does_not_start(tmp_path):
    ranks = {"SGLANG_CPU_OMP_THREADS_BIND": "0|1"}
    environ = injection.environ(tmp_path, faults.ONE_RANK)
    said = "rank 1 of the tensor-parallel group did not report what it serves"
    failure(said, FAMILY, MODEL, {"tp_size": 2}, **ON, **ranks, **environ)
