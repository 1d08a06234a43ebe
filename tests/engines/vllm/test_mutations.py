"""Every deliberate fault of the replacement is stopped when the model is loaded.

One is in every run of the tests, the others in recorded ones. SGLang's loader meets all of them in
every run.
"""

import re

import pytest

from tests.engines.faults import FAULTS
from tests.engines.limits import slow

FAST = "height and width exchanged before flattening"


@pytest.mark.shows("mutations", "{fault.name}")
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=fault.name, marks=() if fault.name == FAST else slow)
        for fault in FAULTS
    ],
)
def test_a_fault_stops_the_load_naming_what_is_wrong(fault, arms):
    error = arms.extension[fault.name].get("error", "it loaded")
    assert "VerificationError: visual.patch_embed.proj" in error
    assert re.search(fault.said, error)
