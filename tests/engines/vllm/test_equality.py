"""In one process, without a network between: fp32 and bf16, against both paths of stock.

vLLM's own layer computes a matrix product on a CPU; for one family it also convolves, as it does on
a GPU with other versions of torch.
"""

import pytest

from evals import checkpoints
from tests.engines.vllm.answers import TOLERANCE, assert_same
from tests.engines.vllm.runs import CASES, DTYPES, FAMILY, case


@pytest.mark.shows("weight paths", "initial load from safetensors")
@pytest.mark.parametrize(("family", "dtype"), CASES)
def test_answers_equal_those_of_stock(family, dtype, arms):
    found, expected = arms.extension[case(family, dtype)], arms.stock[case(family, dtype)]
    assert expected["modules"]["convs"], "the arm compared against must run vLLM's own layer"
    assert_same(found["replies"], expected["replies"], TOLERANCE[dtype])


@pytest.mark.shows("weight paths", "initial load from safetensors")
@pytest.mark.parametrize("dtype", DTYPES)
def test_answers_equal_those_of_stock_that_convolves(dtype, arms):
    found, expected = arms.extension[case(FAMILY, dtype)], arms.stock[f"convolving, {dtype}"]
    assert expected["convolutions"] > 0
    assert_same(found["replies"], expected["replies"], TOLERANCE[dtype])


@pytest.mark.shows("weight paths", "reload_weights of the checkpoint that serves")
@pytest.mark.parametrize("family", checkpoints.FAMILIES)
def test_answers_after_a_reload_equal_those_of_a_fresh_server(family, arms):
    found, expected = (arm[case(family, "bfloat16")] for arm in (arms.extension, arms.stock))
    assert_same(found["reload"], expected["reload"], TOLERANCE["bfloat16"])


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
    # Noise in bf16, of a magnitude of one: a different order of sums is all that may differ.
    assert found["output"] == pytest.approx(expected["output"], abs=0.1)


@pytest.mark.parametrize(("family", "dtype"), CASES)
def test_no_convolution_is_left_and_no_weight_is_served_twice(family, dtype, arms):
    found, expected = (arm[case(family, dtype)] for arm in (arms.extension, arms.stock))
    modules, of_stock = found["modules"], expected["modules"]
    assert modules["convs"] == []
    assert modules["linear"] == of_stock["convs"]
    # The other is the last good one, in host memory, to which a refused update is undone.
    assert list(modules["copies"].values()) == [2]
    assert modules["parameters"] == of_stock["parameters"]
    assert modules["class"] == of_stock["class"]


@pytest.mark.parametrize(("family", "dtype"), CASES)
def test_the_status_lines_say_what_was_replaced_and_verified(family, dtype, arms):
    lines = arms.extension[case(family, dtype)]["status"]
    assert [line["loads"] for line in lines] == list(range(1, len(lines) + 1))
    for line in lines:
        assert line["engine"] == "vllm"
        assert line["dtype"] == dtype
        (module,) = line["modules"]
        assert module["name"] == "visual.patch_embed.proj"
        assert module["difference"] < 1e-5
        assert module["verified_in"] == "float32"


@pytest.mark.parametrize(("family", "dtype"), CASES)
def test_the_engines_log_names_every_replaced_module(family, dtype, arms):
    found = arms.extension[case(family, dtype)]
    assert found["log"].count("visual.patch_embed.proj: ") == len(found["status"]) > 0
    assert "replaced by a matrix product" in found["log"]


@pytest.mark.parametrize(("family", "dtype"), CASES)
def test_switched_off_it_writes_no_status_line(family, dtype, arms):
    assert arms.stock[case(family, dtype)]["status"] == []
