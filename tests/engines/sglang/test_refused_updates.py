"""Updates that stock refuses, and those that it takes whatever they hold: as stock."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch._subclasses.fake_tensor import FakeTensorMode

from evals import checkpoints
from evals.serving.sglang_loader import load
from tests.engines.damage import MISSHAPEN, damaged
from tests.engines.limits import OFF, ON, slow
from tests.engines.sglang.offline import assert_same_answers, failure
from tests.engines.sglang.updated import REFUSED


@pytest.mark.shows("weight paths", "update that stock refuses, from {what}")
@pytest.mark.parametrize("what", REFUSED)
def test_what_stock_refuses_is_refused_by_its_own_words(what, updated, record_property):
    succeeded, said = updated.expected[what]
    assert succeeded is False
    assert updated.found[what] == [succeeded, said]
    record_property("found", "refused by SGLang's own words")


@pytest.mark.parametrize("what", REFUSED)
def test_the_engine_goes_on_as_stock_does(what, updated):
    assert_same_answers(updated.found[f"ask {what}"], updated.expected[f"ask {what}"])


def test_values_that_are_not_finite_are_taken_as_stock_takes_them(updated):
    assert updated.expected["not finite"][0] is True
    assert updated.found["not finite"] == updated.expected["not finite"]


@pytest.mark.parametrize(
    "without_data",
    [
        lambda value: value.to("meta"),
        FakeTensorMode().from_tensor,
        lambda value: value.new_empty(0),
    ],
    ids=["meta", "fake", "no elements"],
)
def test_tensors_without_data_are_refused_by_the_words_of_stock(without_data, extended):
    """As a loader gives them that keeps values elsewhere, or computes shapes alone, and as ZeRO-3
    leaves them of what other ranks hold."""
    path = checkpoints.path("glm4v")
    stock = load(str(path))
    with extended():
        ours = load(str(path))
    weights = load_file(Path(path) / "model.safetensors")
    named = [(name, without_data(weights[name])) for name in weights if ".patch_embed.proj" in name]
    said = []
    for model in (stock, ours):
        with pytest.raises((NotImplementedError, AssertionError)) as refused:
            model.load_weights(iter(named))
        said.append(str(refused.value))
    assert said[1] == said[0]
    found, expected = (model.visual.patch_embed.proj.state_dict() for model in (ours, stock))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@slow
def test_what_stock_does_not_survive_ends_the_engine_by_the_same_words(tmp_path):
    """SGLang reads the same checkpoint again to roll back (sglang #30749)."""
    steps = [["disk", damaged(tmp_path, "glm4v", MISSHAPEN)]]
    model, raised = str(checkpoints.path("glm4v")), r"AssertionError: Attempted to load[^\n]*"
    found, expected = (failure(raised, "glm4v", model, {}, steps, **one) for one in (ON, OFF))
    assert found == expected
