"""The ranks of a tensor-parallel group agree on what they serve, or none serves it.

Each rank holds the whole tower. One that was left stock, or that holds other weights than the
rest, gives answers that no request repeats.
"""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from types import ModuleType
from typing import Any

import torch

from engine_ext.patch_embed import VerificationError

BUILD_SECONDS = 180
"""Ranks build a model within seconds of each other: they have just set up their group."""
LOAD_SECONDS = 1800
"""They read its weights at the pace of their disks."""

_models: Counter[str] = Counter()


class Peers:
    """The ranks of one group, this one among them, that hold the same model.

    They speak through the key-value store by which ``torch.distributed`` has set up their group:
    a collective would wait forever for a rank that does not take part.
    """

    def __init__(self, store: Any, rank: int, ranks: Sequence[int], label: str) -> None:
        """``label`` names the model in the store; the same on all ranks."""
        self._store = store
        self._rank = rank
        self._others = [other for other in ranks if other != rank]
        self._label = label
        self._round = 0

    def agree(self, statement: str, seconds: float) -> None:
        """Wait until every rank has made the same statement.

        Raises:
            VerificationError: another rank has made another statement, has refused its weights, or
                has said nothing for so many seconds.
        """
        told = self._tell({"holds": statement})
        for other in self._others:
            key = self._key(told, other)
            try:
                self._store.wait([key], timedelta(seconds=seconds))
            except RuntimeError as error:  # DistStoreError, where torch has it
                raise VerificationError(
                    f"rank {other} of the tensor-parallel group did not report what it serves "
                    f"within {seconds:.0f} s, expected what rank {self._rank} reports: "
                    f"{statement}; is engine_ext active in that process?"
                ) from error
            said = json.loads(self._store.get(key))
            if "refused" in said:
                raise VerificationError(f"rank {other} refused its weights: {said['refused']}")
            if said["holds"] != statement:
                raise VerificationError(
                    f"rank {other} of the tensor-parallel group serves {said['holds']}, "
                    f"rank {self._rank} serves {statement}, expected the same on all ranks"
                )

    def refuse(self, reason: str) -> None:
        """Tell the others that this rank does not serve what it was given."""
        self._tell({"refused": reason})

    def _tell(self, said: dict[str, str]) -> int:
        told = self._round
        self._round += 1
        self._store.set(self._key(told, self._rank), json.dumps(said))
        return told

    def _key(self, number: int, rank: int) -> str:
        return f"engine_ext/{self._label}/{number}/{rank}"


def tensor_parallel_peers(parallel_state: ModuleType, architecture: str) -> Peers | None:
    """The peers of this process for the model it builds now; None where it has none.

    Args:
        parallel_state: the engine's module of that name; both engines have the same functions.
    """
    if not parallel_state.model_parallel_is_initialized():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # SGLang 0.5.23 says get_parallel
        group = parallel_state.get_tp_group()
    if len(group.ranks) < 2 or not torch.distributed.is_initialized():
        return None
    from torch.distributed.distributed_c10d import _get_default_store

    _models[architecture] += 1
    label = f"{architecture}/{_models[architecture]}"
    return Peers(_get_default_store(), group.rank, group.ranks, label)
