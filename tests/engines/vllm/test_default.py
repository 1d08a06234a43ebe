"""With default settings: what multiplies already is left alone, what convolves is replaced."""

import pytest

from engine_ext.patch_embed.linearize import MULTIPLIES
from evals import checkpoints
from tests.engines.limits import slow
from tests.engines.vllm.answers import TOLERANCE, assert_same
from tests.engines.vllm.runs import DTYPES, FAMILY, case, convolving, default
from tests.engines.vllm.ways import HAS_LAYER

PROJECTION = "visual.patch_embed.proj"
multiplies = pytest.mark.skipif(not HAS_LAYER, reason="this vLLM convolves on a CPU")


@pytest.fixture(
    params=[
        pytest.param(family, marks=() if family == FAMILY else slow)
        for family in checkpoints.FAMILIES
    ]
)
def both(request, arms):
    """An engine by default, and a stock one."""
    run = case(request.param, "bfloat16")
    return arms.extension[default(run)], arms.stock[run]


@pytest.mark.shows("features", "default settings")
def test_answers_equal_those_of_stock(both):
    found, expected = both
    assert_same(found["replies"], expected["replies"])


@multiplies
def test_every_module_is_that_of_stock(both):
    found, expected = both
    assert found["modules"] == expected["modules"]
    assert found["modules"]["convs"] == [PROJECTION]


@multiplies
def test_the_status_line_says_why_nothing_is_replaced(both):
    (line,) = both[0]["status"]
    assert line["modules"] == []
    (left,) = line["left_alone"]
    assert (left["name"], left["reason"]) == (PROJECTION, MULTIPLIES)


@multiplies
def test_the_log_says_it_in_one_line(both):
    lines = both[0]["log"].splitlines()
    (said,) = (line for line in lines if "engine_ext: " in line and PROJECTION in line)
    assert f"{PROJECTION} (vllm.model_executor.layers.conv.Conv3dLayer): left alone" in said
    assert said.endswith(MULTIPLIES)


@pytest.mark.parametrize("dtype", DTYPES)
def test_where_vllm_convolves_it_is_replaced(dtype, arms):
    """As on a GPU with torch before 2.9; asked is the layer, so no version is named."""
    found = arms.extension[default(convolving(dtype))]
    assert found["modules"]["linear"] == [PROJECTION]
    assert found["convolutions"] == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_then_answers_equal_those_of_stock_that_convolves(dtype, arms):
    found, expected = arms.extension[default(convolving(dtype))], arms.stock[convolving(dtype)]
    assert expected["convolutions"] > 0
    assert_same(found["replies"], expected["replies"], TOLERANCE[dtype])
