"""What loads with the projection replaced, and what must not load."""

import re

import pytest

from tests.engines.damage import HALF, MISSHAPEN, MISSING, NAN, ZERO
from tests.engines.limits import slow

MESSAGES = {
    NAN: "visual.patch_embed.proj.weight: 196 of 75264 values are not finite",
    MISSING: "visual.patch_embed.proj.weight",
    ZERO: "visual.patch_embed.proj.weight: all 75264 values are zero",
    MISSHAPEN: "(64, 3, 2, 14, 14)",
}


@pytest.mark.parametrize(
    "damage", [NAN, MISSING, pytest.param(ZERO, marks=slow), pytest.param(MISSHAPEN, marks=slow)]
)
def test_damaged_weights_stop_the_engine_with_the_reason(damage, arms):
    error = arms.extension[damage]["error"]
    shape = "torch.Size([64, 3, 2, 14, 14])"
    assert MESSAGES[damage] in error.replace(shape, "(64, 3, 2, 14, 14)")
    assert arms.extension[damage]["status"] == []


def test_a_tower_without_half_of_its_blocks_does_as_on_stock(arms):
    """What else a checkpoint leaves out is vLLM's to find: it names what is missing."""
    found, expected = (arm[HALF]["error"] for arm in (arms.extension, arms.stock))
    missing = r"visual\.blocks\.1\.[\w.]+"
    assert sorted(re.findall(missing, found)) == sorted(re.findall(missing, expected)) != []


@pytest.mark.shows("weight paths", "initial load, dummy weights")
def test_dummy_weights_load_and_verify(arms, record_property):
    record_property("found", "loads and verifies")
    found = arms.extension["dummy"]
    assert found["modules"]["linear"] == ["visual.patch_embed.proj"]
    (line,) = found["status"]
    assert line["modules"][0]["difference"] < 1e-9
    assert (line["device"], line["dtype"]) == ("cpu", "bfloat16")


@pytest.mark.shows("features", "transformers backend")
def test_the_transformers_backend_multiplies_too(arms):
    found = arms.extension["transformers backend"]
    assert found["modules"]["convs"] == []
    assert found["modules"]["linear"] == ["model.visual.patch_embed.proj"]
    (line,) = found["status"]
    assert line["modules"][0]["difference"] < 1e-9
