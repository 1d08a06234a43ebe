"""The requests of a soak."""

import json

import pytest

from evals import checkpoints
from evals.checkpoints.questions import conversations
from evals.soak.mixed import SHARES, WELL_FORMED, requests
from evals.soak.odd import ODD

COUNT = 400


@pytest.fixture(scope="module")
def mix():
    return list(requests("qwen2_5_vl", COUNT))


def pictures(content):
    if isinstance(content, str):
        return []
    return [json.dumps(part) for part in content if part["type"] in ("image_url", "video_url")]


def well_formed_pictures(mix):
    return [
        picture
        for request in mix
        if request.kind in WELL_FORMED
        for picture in pictures(request.body["messages"][0]["content"])
    ]


def test_every_kind_has_its_turn(mix):
    assert {request.kind for request in mix} == {*WELL_FORMED, *ODD}


def test_each_kind_has_its_share(mix):
    for kind in WELL_FORMED:
        share = 100 * sum(request.kind == kind for request in mix) / COUNT
        assert share == pytest.approx(SHARES[kind], abs=8)


def test_no_well_formed_picture_is_sent_twice(mix):
    sent = well_formed_pictures(mix)
    assert len(sent) > COUNT / 2
    assert len(set(sent)) == len(sent)


def test_no_picture_of_the_reference_is_in_the_mix(mix):
    asked = {
        picture for content in conversations("qwen2_5_vl").values() for picture in pictures(content)
    }
    assert asked
    assert not asked & set(well_formed_pictures(mix))


def test_pictures_that_are_asked_about_have_a_right_answer(mix):
    assert all(
        (request.answer is not None) == (request.kind in ("image", "video")) for request in mix
    )


def test_the_same_requests_come_every_time(mix):
    assert list(requests("qwen2_5_vl", 20)) == mix[:20]


@pytest.mark.parametrize("family", checkpoints.FAMILIES)
def test_the_reference_has_each_shape_of_request(family):
    asked = conversations(family)
    assert {kind: len(pictures(content)) for kind, content in asked.items()} == {
        "image": 1,
        "another image": 1,
        "two images": 2,
        "text": 0,
        "video": 1,
    }
