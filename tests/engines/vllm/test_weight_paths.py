"""Every way of vLLM to put weights into a model: the answers are those of stock.

Where the weights change in a running engine, the answers are those of a fresh stock engine over the
checkpoint that they came from.
"""

import pytest
from safetensors import safe_open

from tests.engines.vllm.answers import assert_same, differ, said
from tests.engines.vllm.arms import DIRECT, SEPARATE, TRIES


def of_changed(arms, skip):
    """The answers of a fresh stock engine over the checkpoint that an update brings."""
    expected = arms.stock["changed"][str(skip)]
    assert differ(expected, arms.stock["served"]["replies"]), "the update must be seen"
    return expected


@pytest.mark.shows("weight paths", "initial load from pytorch_model.bin")
def test_a_pickled_checkpoint_loads(arms):
    found, expected = arms.extension["pickled"], arms.stock["pickled"]
    assert found["modules"]["linear"] == expected["modules"]["convs"]
    assert_same(found["replies"], expected["replies"])


@pytest.mark.shows("weight paths", "initial load from shards (sharded_state) saved by {saved_by}")
@pytest.mark.parametrize("saved_by", ["stock", "the extension"])
def test_shards_load(saved_by, arms):
    found = arms.extension[f"shards of {saved_by}"]
    expected = arms.stock["shards of stock"]
    assert found["modules"]["linear"] == expected["modules"]["convs"]
    assert_same(found["replies"], expected["replies"])


@pytest.mark.shows("weight paths", "shards (sharded_state) saved by the extension, loaded by stock")
def test_shards_are_saved_as_stock_saves_them(arms):
    """Name by name and value by value, so stock loads what the extension has saved."""
    stock, ours = (arms.shards[arm, "loading"] for arm in ("stock", "extension"))
    (file,) = stock.glob("model-rank-0-part-*.safetensors")
    with safe_open(file, "pt") as theirs, safe_open(ours / file.name, "pt") as saved:
        assert set(saved.keys()) == set(theirs.keys())
        assert "visual.patch_embed.proj.weight" in saved.keys()  # noqa: SIM118
        for name in saved.keys():  # noqa: SIM118
            assert saved.get_tensor(name).equal(theirs.get_tensor(name)), name


@pytest.mark.shows("weight paths", "initial load from shards saved by a running engine")
def test_shards_of_a_running_engine_load_where_stock_loads_them(arms, record_property):
    """On a CPU stock has packed the linear layers by then and dropped their weights."""
    found = arms.extension["shards of the running engine"]
    expected = arms.stock["shards of the running engine"]
    if "error" in expected:
        assert "Missing keys" in expected["error"]
        assert said(found["error"]) == said(expected["error"])
        record_property("found", f"stock cannot here: {said(expected['error'])}")
    else:
        assert_same(found["replies"], expected["replies"])


@pytest.mark.shows("weight paths", "load_weights of the running model, the patch embedding")
def test_weights_given_to_the_running_model_serve(arms):
    found = arms.extension[DIRECT]["changed"]
    assert found["error"] is None
    assert_same(found["replies"], of_changed(arms, TRIES[0]))


@pytest.mark.shows("weight paths", "load_weights of the running model, the whole checkpoint")
def test_a_whole_checkpoint_given_to_the_running_model_does_what_it_does_to_stock(
    arms, record_property
):
    """On a CPU stock refuses it: the linear layers have been packed and hold no weights."""
    found, expected = (arm["served"]["load_weights"] for arm in (arms.extension, arms.stock))
    assert_same(found["replies"], expected["replies"])
    if expected["error"]:
        assert "into parameter (torch.Size([0]))" in expected["error"]
        assert said(found["error"]) == said(expected["error"])
        record_property("found", f"stock cannot here: {said(expected['error'])}")
    else:
        assert found["error"] is None
        assert_same(found["replies"], of_changed(arms, TRIES[2]))


@pytest.mark.shows("weight paths", "reload_weights {source}")
@pytest.mark.parametrize("source", ["from disk", "from tensors"])
def test_a_reload_serves_the_other_checkpoint(source, arms):
    if not arms.reloads:
        pytest.skip("the reload of this vLLM takes no weights")
    found = arms.extension[f"reload {source}"]["changed"]
    assert found["error"] is None
    assert_same(found["replies"], of_changed(arms, TRIES[0]))


@pytest.mark.shows("weight paths", "sleep and wake up, level {level}")
@pytest.mark.parametrize("level", [1, 2])
def test_sleeping_changes_nothing(level, arms, record_property):
    found, expected = (arm["served"][f"sleep {level}"] for arm in (arms.extension, arms.stock))
    assert_same(found, expected)
    warning = "sleep mode is not supported on CPU, ignore it"
    assert warning in arms.log_of_stock
    record_property("found", f"stock here: {warning}")


@pytest.mark.shows("weight paths", "sleep mode (enable_sleep_mode)")
def test_stock_does_not_start_in_sleep_mode(arms, record_property):
    found, expected = (arm["sleep mode"]["error"] for arm in (arms.extension, arms.stock))
    reason = "Sleep mode is not supported on current platform"
    assert reason in expected
    assert reason in found
    record_property("found", f"stock cannot here: ValidationError: {reason}")


@pytest.mark.shows("weight paths", "initial load, load_format={load_format}")
@pytest.mark.parametrize("load_format", SEPARATE)
def test_stock_has_no_package_for(load_format, arms, record_property):
    found, expected = (arm[load_format]["error"] for arm in (arms.extension, arms.stock))
    assert SEPARATE[load_format] in expected
    assert said(found) == said(expected)
    record_property("found", f"stock cannot here: {said(expected)}")
