"""Launches for text alone: they start and answer as stock, and where there is no tower they say so.

By default, and with every feature named.
"""

import pytest

from tests.engines.limits import VERSION, slow
from tests.engines.vllm.runs import default
from tests.engines.vllm.ways import HAS_LAYER, TEXT, WITHOUT_TOWER

PROJECTION = "visual.patch_embed.proj"
LAUNCHES = [
    pytest.param(name, marks=slow if name == "no videos" else ())
    for name in TEXT
    if VERSION > (0, 11, 0) or name != "language model only"
]
WITHOUT = [launch for launch in LAUNCHES if launch.values[0] in WITHOUT_TOWER]
WITH = [launch for launch in LAUNCHES if launch not in WITHOUT]


@pytest.fixture(params=["by default", "every feature"])
def features(request):
    return request.param


@pytest.fixture
def launched(features, arms):
    """``launched(name)``: what an engine with these features did."""
    if features == "by default":
        return lambda name: arms.extension[default(name)]
    return lambda name: arms.pixels[name]


@pytest.mark.shows("layouts", "{launch}")
@pytest.mark.parametrize("launch", LAUNCHES)
def test_it_answers_as_stock(launch, launched, arms):
    assert launched(launch)["replies"] == arms.stock[launch]["replies"]


@pytest.mark.parametrize("launch", WITHOUT)
def test_without_a_tower_there_is_nothing_to_replace_and_the_engine_says_so(launch, launched):
    found = launched(launch)
    (line,) = found["status"]
    assert line["modules"] == line["left_alone"] == []
    assert "nothing to replace here" in found["log"]


@pytest.mark.parametrize("launch", WITH)
def test_one_limit_of_zero_leaves_the_tower_and_what_becomes_of_it(launch, launched, features):
    (line,) = launched(launch)["status"]
    is_left = HAS_LAYER and features == "by default"
    (entry,) = line["left_alone" if is_left else "modules"]
    assert entry["name"] == PROJECTION
