"""In one process, without a network between: fp32 and bf16, against both paths of stock.

vLLM's own layer computes a matrix product on a CPU; ``FORCE_CONV3D`` makes it take ``F.conv3d``,
as it does on a GPU with other versions of torch.
"""

import itertools

import pytest

from evals import checkpoints
from tests.engines.damage import NAN, damaged
from tests.engines.vllm.answers import TOLERANCE, assert_same
from tests.engines.vllm.offline import FORCE_CONV

CASES = list(itertools.product(checkpoints.FAMILIES, TOLERANCE))


def runs(*actions_in_bf16, damaged=None):
    return [
        {
            "model": str(checkpoints.path(family)),
            "family": family,
            "engine": {"dtype": dtype},
            "then": actions_in_bf16 if dtype == "bfloat16" else [],
            "damaged": damaged and damaged[family],
        }
        for family, dtype in CASES
    ]


@pytest.fixture(scope="module")
def extended(offline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    bad = {family: damaged(folder, family, NAN) for family in checkpoints.FAMILIES}
    results, status_lines, log = offline(
        runs("reload", "reload_damaged", "encode_as_captured", damaged=bad), ENGINE_EXT="linear"
    )
    return dict(zip(CASES, results, strict=True)), status_lines, log


@pytest.fixture(scope="module")
def stock(offline):
    results, status_lines, _ = offline(
        runs("ask_others", "ask_more", "encode_as_captured"), ENGINE_EXT="off"
    )
    assert status_lines == []
    return dict(zip(CASES, results, strict=True))


@pytest.fixture(scope="module")
def stock_with_conv3d(offline):
    results, _, _ = offline(runs("ask_others"), **{"ENGINE_EXT": "off", FORCE_CONV: "1"})
    return dict(zip(CASES, results, strict=True))


@pytest.mark.shows("weight paths", "initial load from safetensors")
@pytest.mark.parametrize(("family", "dtype"), CASES)
@pytest.mark.parametrize("arm", ["stock", "stock_with_conv3d"])
def test_answers_equal_those_of(arm, family, dtype, extended, request):
    expected = request.getfixturevalue(arm)[family, dtype]
    assert expected["modules"]["convs"], "the arm compared against must run vLLM's own layer"
    found = extended[0][family, dtype]
    assert_same(found["replies"], expected["replies"], TOLERANCE[dtype])


@pytest.mark.shows("weight paths", "reload_weights of the checkpoint that serves")
@pytest.mark.parametrize("family", checkpoints.FAMILIES)
def test_answers_after_a_reload_equal_those_of_a_fresh_server(family, extended, stock):
    found, expected = extended[0][family, "bfloat16"], stock[family, "bfloat16"]
    assert_same(found["reload"], expected["ask_others"], TOLERANCE["bfloat16"])


@pytest.mark.shows("refused updates", "from disk: values that are not finite")
@pytest.mark.parametrize("family", checkpoints.FAMILIES)
def test_a_reload_that_is_refused_loses_nothing(family, extended, stock):
    found = extended[0][family, "bfloat16"]["reload_damaged"]
    if found["replies"] is None:
        pytest.skip("the reload of this vLLM takes no checkpoint")
    assert "visual.patch_embed.proj.weight: " in found["error"]
    assert "values are not finite" in found["error"]
    assert_same(found["replies"], stock[family, "bfloat16"]["ask_more"], TOLERANCE["bfloat16"])


@pytest.mark.shows("features", "encoder CUDA graphs (their inputs and outputs, without CUDA)")
@pytest.mark.parametrize("family", checkpoints.FAMILIES)
def test_the_encoder_does_what_a_cuda_graph_records_as_stock_does(family, extended, stock):
    found, expected = (
        arm[family, "bfloat16"]["encode_as_captured"] for arm in (extended[0], stock)
    )
    if expected is None:
        pytest.skip("this vLLM captures no encoder")
    for what in ("patch embedding", "modalities", "inputs", "shape"):
        assert found[what] == expected[what]
    # Noise in bf16, of a magnitude of one: a different order of sums is all that may differ.
    assert found["output"] == pytest.approx(expected["output"], abs=0.1)


@pytest.mark.parametrize(("family", "dtype"), CASES)
def test_no_convolution_is_left_and_no_weight_is_served_twice(family, dtype, extended, stock):
    found, expected = extended[0][family, dtype]["modules"], stock[family, dtype]["modules"]
    assert found["convs"] == []
    assert found["linear"] == expected["convs"]
    # The other is the last good one, in host memory, to which a refused update is undone.
    assert list(found["copies"].values()) == [2]
    assert found["parameters"] == expected["parameters"]
    assert found["class"] == expected["class"]


def test_the_status_file_has_a_verified_line_for_every_model(extended):
    _, lines, _ = extended
    assert [line["loads"] for line in lines].count(1) == len(CASES)
    for line in lines:
        assert line["engine"] == "vllm"
        (module,) = line["modules"]
        assert module["name"] == "visual.patch_embed.proj"
        assert module["difference"] < 1e-5
        assert module["verified_in"] == "float32"


def test_the_engines_log_names_every_replaced_module(extended):
    _, lines, log = extended
    assert log.count("visual.patch_embed.proj: ") == len(lines)
    assert "replaced by a matrix product" in log
