"""Every way of vLLM to load a model, and sleep: the answers are those of stock.

Updates of a running engine: test_updates.py.
"""

from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.engines.limits import slow
from tests.engines.vllm.answers import assert_same, said
from tests.engines.vllm.runs import SEPARATE, SHARED


@pytest.fixture
def saved(arms):
    """Both have saved their model."""
    assert arms.stock[SHARED]["save_shards"] == arms.extension[SHARED]["save_shards"] != []
    return arms


@pytest.mark.shows("weight paths", "initial load from pytorch_model.bin")
def test_a_pickled_checkpoint_loads(arms):
    found, expected = arms.extension["pickled"], arms.stock[SHARED]
    assert found["modules"]["linear"] == expected["modules"]["convs"]
    assert_same(found["replies"], expected["replies"])


@pytest.mark.shows("weight paths", "initial load from shards (sharded_state) saved by {saved_by}")
@pytest.mark.parametrize("saved_by", ["stock", pytest.param("the extension", marks=slow)])
def test_shards_load(saved_by, saved):
    """Those of the extension are the same files: the next test."""
    found, expected = saved.extension[f"shards of {saved_by}"], saved.stock[SHARED]
    assert found["modules"]["linear"] == expected["modules"]["convs"]
    assert_same(found["replies"], expected["replies"])


@pytest.mark.shows("weight paths", "shards (sharded_state) saved by the extension, loaded by stock")
def test_shards_are_saved_as_stock_saves_them(saved):
    """Name by name and value by value, so stock loads what the extension has saved."""
    stock, ours = (Path(saved.shards[arm, "loading"]) for arm in ("stock", "extension"))
    (file,) = stock.glob("model-rank-0-part-*.safetensors")
    expected, found = load_file(file), load_file(ours / file.name)
    assert found.keys() == expected.keys()
    assert "visual.patch_embed.proj.weight" in found
    for name, weight in expected.items():
        assert found[name].equal(weight), name


@slow
@pytest.mark.shows("weight paths", "initial load from shards saved by a running engine")
def test_shards_of_a_running_engine_load_where_stock_loads_them(saved, record_property):
    """On a CPU stock has packed the linear layers by then and dropped their weights."""
    found = saved.extension["shards of the running engine"]
    expected = saved.stock["shards of the running engine"]
    if "error" in expected:
        assert "Missing keys" in expected["error"]
        assert said(found["error"]) == said(expected["error"])
        record_property("found", f"stock cannot here: {said(expected['error'])}")
    else:
        assert_same(found["replies"], expected["replies"])


@pytest.mark.shows("weight paths", "load_weights of the running model, the whole checkpoint")
def test_a_whole_checkpoint_given_to_the_running_model_does_what_it_does_to_stock(
    arms, record_property
):
    """On a CPU stock refuses it: the linear layers have been packed and hold no weights."""
    found, expected = (arm[SHARED]["load_weights"] for arm in (arms.extension, arms.stock))
    assert_same(found["replies"], expected["replies"])
    if expected["error"]:
        assert "into parameter (torch.Size([0]))" in expected["error"]
        assert said(found["error"]) == said(expected["error"])
        record_property("found", f"stock cannot here: {said(expected['error'])}")
    else:
        assert found["error"] is None


@pytest.mark.shows("weight paths", "sleep and wake up, level {level}")
@pytest.mark.parametrize("level", [1, 2])
def test_sleeping_changes_nothing(level, arms, record_property):
    found, expected = (arm[SHARED][f"sleep {level}"] for arm in (arms.extension, arms.stock))
    assert_same(found, expected)
    warning = "sleep mode is not supported on CPU, ignore it"
    assert warning in arms.stock[SHARED]["log"]
    record_property("found", f"stock here: {warning}")


@slow
@pytest.mark.shows("weight paths", "sleep mode (enable_sleep_mode)")
def test_stock_does_not_start_in_sleep_mode(arms, record_property):
    found, expected = (arm["sleep mode"]["error"] for arm in (arms.extension, arms.stock))
    reason = "Sleep mode is not supported on current platform"
    assert reason in expected
    assert reason in found
    record_property("found", f"stock cannot here: ValidationError: {reason}")


@slow
@pytest.mark.shows("weight paths", "initial load, load_format={load_format}")
@pytest.mark.parametrize("load_format", SEPARATE)
def test_stock_has_no_package_for(load_format, arms, record_property):
    found, expected = (arm[load_format]["error"] for arm in (arms.extension, arms.stock))
    assert SEPARATE[load_format] in expected
    assert said(found) == said(expected)
    record_property("found", f"stock cannot here: {said(expected)}")
