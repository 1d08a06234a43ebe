"""Updates that must not serve: refused with the reason, and the engine answers as before.

Each follows a good update of the same engine, so what served before is not what it started with.
One is in every run of the tests, the others in recorded ones.
"""

import pytest

from tests.engines.limits import slow
from tests.engines.vllm.answers import assert_same
from tests.engines.vllm.runs import DIRECT, FROM_TENSORS, REFUSED, RELOADS_ANOTHER, TRIES

REASONS = {
    "a truncated file": "SafetensorError",
    "another shape": "(64, 3, 1, 16, 16)",
    "values that are not finite": "visual.patch_embed.proj.weight: ",
}
reloads = pytest.mark.skipif(not RELOADS_ANOTHER, reason="the reload of this vLLM takes no weights")


def assert_refused(found, what, expected):
    """``found``: what came of the update; ``expected``: the answers of what served before."""
    assert REASONS[what] in found["error"].replace("torch.Size([64, 3, 1, 16, 16])", REASONS[what])
    assert_same(found["replies"], expected)


def test_a_refused_update_leaves_what_served(arms):
    found, expected = arms.extension["updated"]["refused"], arms.stock["changed"]
    assert_refused(found, "values that are not finite", expected[str(TRIES[3])])


@slow
@reloads
@pytest.mark.shows("refused updates", "from disk: {what}")
@pytest.mark.parametrize("what", REFUSED)
def test_a_checkpoint_is_refused_and_the_engine_answers_as_before(what, arms, record_property):
    step = 1 + list(REFUSED).index(what)
    found = arms.extension["refused: reload from disk"][what]
    assert_refused(found, what, arms.stock["changed"][str(TRIES[step])])
    alone = arms.stock[f"takes {what}"][what]
    if alone["error"]:
        # vLLM leaves layers on the meta device when a reload ends in an exception.
        assert "meta" in alone["no replies"]
        record_property("found", "stock refuses it too and answers no request afterwards")
    else:
        record_property("found", "stock serves it")


@slow
@reloads
@pytest.mark.shows("refused updates", "from tensors: {what}")
@pytest.mark.parametrize("what", FROM_TENSORS)
def test_tensors_are_refused_and_the_engine_answers_as_before(what, arms):
    step = 1 + FROM_TENSORS.index(what)
    found = arms.extension["refused: reload from tensors"][what]
    assert_refused(found, what, arms.stock["changed"][str(TRIES[step])])


@slow
@pytest.mark.shows("refused updates", "load_weights of the running model: {what}")
@pytest.mark.parametrize("what", FROM_TENSORS)
def test_weights_given_to_the_running_model_are_refused_and_it_answers_as_before(what, arms):
    step = 1 + FROM_TENSORS.index(what)
    found = arms.extension[f"refused: {DIRECT}"][what]
    assert_refused(found, what, arms.stock["changed"][str(TRIES[step])])
