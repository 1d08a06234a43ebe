"""What is sent to a server, and what is read from the generator's result."""

import io
from dataclasses import replace

import pytest
from PIL import Image

from benchmarks.serve.load import Load, LoadFailed, measured, questions
from evals.media.photographs import photograph

LOAD = Load((64, 32), images=2, concurrency=1, requests=3)


def test_every_picture_is_another_of_the_size_asked_for():
    pictures = [photograph(number, LOAD.size) for number in range(6)]
    assert len(set(pictures)) == 6
    assert {Image.open(io.BytesIO(one)).size for one in pictures} == {LOAD.size}


def test_nothing_that_is_sent_was_sent_before():
    loads = [LOAD, replace(LOAD, concurrency=4)]
    sent = [url for load in loads for one in questions(load) for url in one["image_files"]]
    sent += [part["image_url"]["url"] for load in loads for part in load.pictures(load.requests)]
    assert len(set(sent)) == len(sent) == 2 * 2 * (3 + 1)


def test_times_are_milliseconds():
    found = measured({"completed": 3, "ttfts": [0.1] * 3, "duration": 1.5}, LOAD)
    assert (found.first_token, found.seconds) == (pytest.approx([100] * 3), 1.5)


def test_a_failed_request_ends_the_run():
    with pytest.raises(LoadFailed, match="2 of 3 requests succeeded: too long"):
        measured({"completed": 2, "errors": ["", "too long"]}, LOAD)
