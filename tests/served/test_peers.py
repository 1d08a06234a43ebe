"""Ranks agree through the store of their group, or say what keeps them from it."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from torch.distributed import HashStore

from engine_ext.patch_embed import VerificationError
from engine_ext.served import Peers, tensor_parallel_peers

SECONDS = 20


@pytest.fixture
def group():
    """Three ranks of a world of four."""
    store = HashStore()
    return [Peers(store, rank, [1, 2, 3], "a model") for rank in (1, 2, 3)]


def outcomes(*statements):
    """What became of a call on each rank, made at the same time."""

    def outcome(statement):
        try:
            return statement()
        except VerificationError as error:
            return str(error)

    with ThreadPoolExecutor(len(statements)) as threads:
        return list(threads.map(outcome, statements))


def agree(peers, statement, seconds=SECONDS):
    return lambda: peers.agree(statement, seconds)


def test_ranks_that_say_the_same_agree_round_after_round(group):
    for statement in ("replaced visual.proj", "weights 1234", "weights 5678"):
        assert outcomes(*(agree(peers, statement) for peers in group)) == [None] * 3


def test_ranks_that_serve_other_weights_refuse_on_every_rank(group):
    statements = ["weights 1234", "weights 1234", "weights 5678"]
    said = outcomes(*(agree(*pair) for pair in zip(group, statements, strict=True)))
    assert all("weights 5678" in text and "expected the same on all ranks" in text for text in said)


def test_a_rank_that_refuses_is_heard_and_the_next_round_is_free(group):
    first, second, third = group
    refuses = lambda: second.refuse("a value is not finite")  # noqa: E731
    said = outcomes(agree(first, "weights 1"), refuses, agree(third, "weights 1"))
    assert said[1] is None
    assert said[0] == said[2] == "rank 2 refused its weights: a value is not finite"
    assert outcomes(*(agree(peers, "weights 2") for peers in group)) == [None] * 3


def test_a_rank_that_says_nothing_is_named(group):
    (said,) = outcomes(agree(group[0], "replaced visual.proj", seconds=0.2))
    assert "rank 2 of the tensor-parallel group did not report what it serves within" in said
    assert "expected what rank 1 reports: replaced visual.proj" in said


def engine(ranks, is_initialised=True):
    return SimpleNamespace(
        model_parallel_is_initialized=lambda: is_initialised,
        get_tp_group=lambda: SimpleNamespace(rank=ranks[0], ranks=ranks),
    )


def test_a_process_alone_has_no_peers():
    assert tensor_parallel_peers(engine([0]), "A") is None
    assert tensor_parallel_peers(engine([0, 1], is_initialised=False), "A") is None
