"""Every deliberate fault of the replacement is stopped when the model is loaded."""

import re

import pytest

from engine_ext.patch_embed import VerificationError
from evals import checkpoints
from evals.serving.sglang_loader import load
from tests.engines.faults import FAULTS
from tests.engines.injection import injected

FAMILY = "glm4v"  # its projection has a bias


@pytest.fixture
def load_with(extended):
    """``load_with(fault)``: SGLang's own loader in this process, under a fault of that name."""

    def loaded(name):
        with extended(), injected(name):
            return load(str(checkpoints.path(FAMILY)))

    return loaded


@pytest.mark.shows("mutations", "{fault.name}")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_stops_the_load_naming_what_is_wrong(fault, load_with):
    with pytest.raises(VerificationError) as stopped:
        load_with(fault.name)
    assert "visual.patch_embed.proj" in str(stopped.value)
    assert re.search(fault.said, str(stopped.value))


def test_without_a_fault_the_same_harness_loads(load_with):
    load_with("")
