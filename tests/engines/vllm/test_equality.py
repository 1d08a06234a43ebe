"""With features named every projection is replaced, and no bit of an answer differs from stock.

In one process, without a network between, in bf16 and in fp32. vLLM's own layer multiplies on a
CPU: the same product of the same rows and weights. vLLM 0.11 convolves: there rounding differs.
"""

import pytest

from evals import checkpoints
from tests.engines.vllm.answers import DIFFERENCE, assert_same
from tests.engines.vllm.runs import CASES, case


@pytest.mark.shows("weight paths", "initial load from safetensors")
@pytest.mark.parametrize(("family", "dtype"), CASES)
def test_answers_equal_those_of_stock(family, dtype, arms):
    found, expected = arms.extension[case(family, dtype)], arms.stock[case(family, dtype)]
    assert expected["modules"]["convs"], "the arm compared against must run vLLM's own layer"
    assert_same(found["replies"], expected["replies"], DIFFERENCE[dtype])


@pytest.mark.shows("weight paths", "reload_weights of the loaded checkpoint")
@pytest.mark.parametrize("family", checkpoints.FAMILIES)
def test_answers_after_a_reload_equal_those_of_a_fresh_server(family, arms):
    found, expected = (arm[case(family, "bfloat16")] for arm in (arms.extension, arms.stock))
    assert_same(found["reload"], expected["reload"])


@pytest.mark.shows("features", "encoder CUDA graphs (their inputs and outputs, without CUDA)")
@pytest.mark.parametrize("family", checkpoints.FAMILIES)
def test_the_encoder_does_what_a_cuda_graph_records_as_stock_does(family, arms):
    found, expected = (
        arm[case(family, "bfloat16")]["encode_as_captured"] for arm in (arms.extension, arms.stock)
    )
    if expected is None:
        pytest.skip("this vLLM captures no encoder")
    for what in ("patch embedding", "modalities", "inputs", "shape"):
        assert found[what] == expected[what]
    assert found["output"] == expected["output"]


@pytest.mark.parametrize(("family", "dtype"), CASES)
def test_no_convolution_is_left_and_no_weight_is_held_twice(family, dtype, arms):
    found, expected = (arm[case(family, dtype)] for arm in (arms.extension, arms.stock))
    modules, of_stock = found["modules"], expected["modules"]
    assert modules["convs"] == []
    assert modules["linear"] == of_stock["convs"]
    assert list(modules["copies"].values()) == [1]
    assert modules["parameters"] == of_stock["parameters"]
    assert modules["class"] == of_stock["class"]


@pytest.mark.parametrize(("family", "dtype"), CASES)
def test_one_status_line_says_what_was_replaced_and_verified(family, dtype, arms):
    (line,) = arms.extension[case(family, dtype)]["status"]
    assert (line["engine"], line["dtype"]) == ("vllm", dtype)
    (module,) = line["modules"]
    assert module["name"] == "visual.patch_embed.proj"
    assert module["difference"] < 1e-9


@pytest.mark.parametrize(("family", "dtype"), CASES)
def test_the_engines_log_names_it_once(family, dtype, arms):
    found = arms.extension[case(family, dtype)]
    assert found["log"].count("visual.patch_embed.proj: ") == 1
    assert "replaced by a matrix product" in found["log"]


@pytest.mark.parametrize(("family", "dtype"), CASES)
def test_switched_off_it_writes_no_status_line(family, dtype, arms):
    assert arms.stock[case(family, dtype)]["status"] == []
