"""Features of vLLM that touch the projection or the answers about images: as stock has them."""

import pytest

from tests.engines.limits import OFF, ON, VERSION, slow
from tests.engines.quantized import QUANTIZED
from tests.engines.vllm.answers import assert_same, differ, said
from tests.engines.vllm.runs import ADAPTED, SHARED, UNBIASED, checkpoint, of

PROJECTION = "visual.patch_embed.proj"

COMPILED = {
    "the language model": {},
    "the tower too": {"compilation_config": {"compile_mm_encoder": True}},
}

FAST = ("compressed-tensors, int8 W8A8", "AWQ")
REFUSED = ("fp8", "bitsandbytes", "torchao", "ModelOpt")
"""By vLLM 0.32 on a CPU without AMX, or without a package."""

adapts_towers = pytest.mark.skipif(
    VERSION < (0, 12), reason="this vLLM puts no adapter on the tower"
)


@pytest.mark.shows("features", "caches of prefixes and of preprocessed images")
def test_an_image_asked_twice_is_answered_from_the_caches_as_stock_does(arms):
    found, expected = arms.extension[SHARED], arms.stock[SHARED]
    assert_same(found["replies"], expected["replies"])
    assert_same(found["again"], expected["again"])
    assert_same(found["again"], found["replies"])
    assert found["cache_hits"] == expected["cache_hits"]
    for cache in ("vllm:prefix_cache_hits", "vllm:mm_cache_hits"):
        if cache in expected["cache_hits"]:
            assert expected["cache_hits"][cache] > 0


@adapts_towers
@pytest.mark.shows("features", "LoRA on the tower and the language model")
def test_an_adapter_changes_the_answers_as_it_does_on_stock(arms):
    found, expected = arms.extension["adapter"], arms.stock["adapter"]
    assert differ(expected["ask_with_adapter"], expected["replies"]), "the adapter must be seen"
    assert_same(found["replies"], expected["replies"])
    assert_same(found["ask_with_adapter"], expected["ask_with_adapter"])


@adapts_towers
@pytest.mark.shows("features", "LoRA on the tower and the language model")
def test_an_adapter_leaves_the_projection_alone(arms):
    found, expected = arms.extension["adapter"], arms.stock["adapter"]
    assert found["modules"]["linear"] == [PROJECTION]
    assert found["adapted"] == expected["adapted"]
    assert PROJECTION not in found["adapted"]
    tower = {name.removeprefix("model.") for name in ADAPTED if "visual" in name}
    assert tower <= set(found["adapted"])


@pytest.mark.shows("features", "quantized language model ({how})")
@pytest.mark.parametrize(
    "how", [how if how in FAST else pytest.param(how, marks=slow) for how in QUANTIZED]
)
def test_a_quantized_language_model_answers_as_on_stock(how, arms, record_property):
    found, expected = (arm[checkpoint(how)] for arm in (arms.extension, arms.stock))
    if "error" in expected:
        assert how in REFUSED or VERSION < (0, 32)
        told, words = (said(" ".join(arm["error"].split())) for arm in (found, expected))
        assert told == words
        record_property("found", f"stock cannot here: {words}")
        return
    assert found["modules"]["linear"] == expected["modules"]["convs"] == [PROJECTION]
    assert_same(found["replies"], expected["replies"])


@slow
@pytest.mark.shows("features", "quantized on loading (fp8)")
def test_stock_quantizes_nothing_to_fp8_on_this_cpu(arms, record_property):
    found, expected = (arm["fp8"]["error"] for arm in (arms.extension, arms.stock))
    assert "fp8" in expected
    assert said(found) == said(expected)
    record_property("found", f"stock cannot here: {said(expected)}")


@slow
@pytest.mark.shows("features", "torch.compile, {what}")
@pytest.mark.parametrize("what", COMPILED)
def test_a_compiled_model_does_as_stock_compiled_the_same_way(what, compiled, record_property):
    found, expected = (results[list(COMPILED).index(what)] for results in compiled)
    if "error" in expected:
        # The compiler's: 0.32 says the former, 0.11 no more than the latter.
        known = ("Inference tensors cannot be saved for backward", "StopIteration")
        assert any(text in expected["error"] for text in known)
        assert said(found["error"]) == said(expected["error"])
        record_property("found", f"stock cannot here: {said(expected['error'])}")
    else:
        assert found["modules"]["linear"] == [PROJECTION]
        assert_same(found["replies"], expected["replies"])


@pytest.fixture(scope="module")
def compiled(engines):
    """The engines of COMPILED with the extension, and without."""
    runs = [of(UNBIASED, engine={"enforce_eager": False, **more}) for more in COMPILED.values()]
    with_it, without = (engines(**arm, TORCHDYNAMO_DISABLE="0") for arm in (ON, OFF))
    return [with_it(run) for run in runs], [without(run) for run in runs]
