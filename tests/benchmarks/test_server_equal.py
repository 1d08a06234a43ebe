"""Answers of servers on a GPU, compared."""

from __future__ import annotations

import math

from benchmarks.gpu_server.answers import Answer


def answer(**top: float) -> Answer:
    return Answer(("a",), top, 10)


def test_the_difference_is_that_of_the_rival_that_moved_most() -> None:
    assert math.isclose(answer(a=-1.0, b=-2.0).difference(answer(a=-1.1, b=-1.5)), 0.5)


def test_other_rivals_are_infinitely_far() -> None:
    assert answer(a=-1.0).difference(answer(b=-1.0)) == math.inf
