"""Implementations are timed by turns."""

import torch

from benchmarks.timing import interleaved


def test_every_call_is_timed_and_quantiles_are_in_order():
    called = []
    calls = {"first": lambda: called.append(1), "second": lambda: called.append(2)}
    times = interleaved(calls, seconds=0.01, rounds=3)
    assert times.keys() == calls.keys()
    assert all(0 < each.low <= each.median <= each.high for each in times.values())


def test_rounds_alternate():
    called = []
    interleaved({"first": lambda: called.append(1), "second": lambda: called.append(2)}, 0.01, 3)
    turns = [one for one, before in zip(called[1:], called, strict=False) if one != before]
    assert len(turns) >= 5


def test_calls_have_the_threads_that_models_have():
    found = set()
    interleaved({"only": lambda: found.add(torch.get_num_threads())}, 0.01)
    assert found == {torch.get_num_threads()}
