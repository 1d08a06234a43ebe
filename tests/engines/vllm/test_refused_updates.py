"""Updates that must not serve: refused with the reason, and the engine answers as before.

Each follows a good update of the same engine, so what served before is not what it started with.
"""

import pytest

from tests.engines.vllm.answers import assert_same
from tests.engines.vllm.arms import DIRECT, REFUSED, TRIES

REASONS = {
    "a truncated file": "SafetensorError",
    "another shape": "(64, 3, 1, 16, 16)",
    "values that are not finite": "visual.patch_embed.proj.weight: ",
}
FROM_TENSORS = [what for what in REFUSED if what != "a truncated file"]


def assert_refused(found, what, expected):
    """``found``: what came of the update; ``expected``: the answers of what served before."""
    assert REASONS[what] in found["error"].replace("torch.Size([64, 3, 1, 16, 16])", REASONS[what])
    assert_same(found["replies"], expected)


@pytest.fixture
def reloading(arms):
    if not arms.reloads:
        pytest.skip("the reload of this vLLM takes no weights")
    return arms


@pytest.mark.shows("refused updates", "from disk: {what}")
@pytest.mark.parametrize("what", REFUSED)
def test_a_checkpoint_is_refused_and_the_engine_answers_as_before(what, reloading, record_property):
    step = 1 + list(REFUSED).index(what)
    found = reloading.extension["reload from disk"][what]
    assert_refused(found, what, reloading.stock["changed"][str(TRIES[step])])
    alone = reloading.stock[what][what]
    if alone["error"]:
        # vLLM leaves layers on the meta device when a reload ends in an exception.
        assert "meta" in alone["no replies"]
        record_property("found", "stock refuses it too and answers no request afterwards")
    else:
        record_property("found", "stock serves it")


@pytest.mark.shows("refused updates", "from tensors: {what}")
@pytest.mark.parametrize("what", FROM_TENSORS)
def test_tensors_are_refused_and_the_engine_answers_as_before(what, reloading):
    step = 1 + FROM_TENSORS.index(what)
    found = reloading.extension["reload from tensors"][what]
    assert_refused(found, what, reloading.stock["changed"][str(TRIES[step])])


@pytest.mark.shows("refused updates", "load_weights of the running model: {what}")
@pytest.mark.parametrize("what", FROM_TENSORS)
def test_weights_given_to_the_running_model_are_refused_and_it_answers_as_before(what, arms):
    step = 1 + FROM_TENSORS.index(what)
    found = arms.extension[DIRECT][what]
    assert_refused(found, what, arms.stock["changed"][str(TRIES[step])])
