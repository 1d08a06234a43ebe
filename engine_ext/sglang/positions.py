"""Put our rope positions in front of SGLang's, once they have come out bit-identical.

Each kind of request is computed by both at first, and so are the first frame rates of a kind. What
ours does not understand is SGLang's to answer, that time. SGLang 0.5.11 and newer are hooked;
before, the method itself is replaced when SGLang imports `engine_ext.sglang.processors`.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from engine_ext import status
from engine_ext.mrope import BadSpans
from engine_ext.sglang.log import logger
from engine_ext.sglang.mrope import Found, Positions, glm4v, qwen

ROTARY = "sglang.srt.layers.rotary_embedding.MRotaryEmbedding"
OURS: dict[str, Callable[..., Found | None]] = {
    "get_rope_index": qwen,
    "get_rope_index_glm4v": glm4v,
}
"""By the name of SGLang's function, a static method of ``ROTARY``."""
ENOUGH = 16
"""Frame rates of a kind that have come out equal, from which on its others are not compared."""


def hook() -> None:
    """Register with SGLang's hooks (0.5.11 and newer)."""
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    for name, proving in _proving().items():
        HookRegistry.register(f"{ROTARY}.{name}", proving, HookType.AROUND)


def replace() -> None:
    """Replace the methods themselves (SGLang 0.5.10 and older, which have no hooks)."""
    from sglang.srt.layers.rotary_embedding import MRotaryEmbedding

    for name, proving in _proving().items():
        stock = getattr(MRotaryEmbedding, name)
        setattr(MRotaryEmbedding, name, staticmethod(partial(proving, stock)))


class Proving:
    """One of SGLang's functions, with ours in front of it.

    An AROUND hook: called with SGLang's function and the arguments of a request.
    """

    def __init__(self, name: str, ours: Callable[..., Found | None]) -> None:
        self.name = name
        self.ours = ours
        self.proven: dict[tuple[str, ...], frozenset[float]] = {}
        self.has_failed = False
        self.has_raised = False

    def __call__(self, stock: Callable[..., Positions], *args: Any, **kwargs: Any) -> Positions:
        found = None if self.has_failed else self._try(*args, **kwargs)
        if found is None:
            return stock(*args, **kwargs)
        kind, seconds, positions = found
        known = self.proven.get(kind, frozenset())
        if seconds <= known or len(known) >= ENOUGH:
            return positions
        expected = stock(*args, **kwargs)
        if all(map(_are_equal, positions, expected)):
            self.proven[kind] = known | seconds
            if not known:
                logger.info(
                    "engine_ext: rope positions of %s: equal to SGLang's, in use from now on", kind
                )
                status.record(status.POSITIONS, {"function": self.name, "in_use": kind}, logger)
        else:
            self.has_failed = True
            logger.error("engine_ext: rope positions of %s: not equal, left to SGLang", kind)
        return expected

    def _try(self, *args: Any, **kwargs: Any) -> Found | None:
        """Ours, or None where SGLang is to answer, or to raise."""
        try:
            return self.ours(*args, **kwargs)
        except BadSpans as error:
            logger.debug("engine_ext: rope positions left to SGLang: %s", error)
        except Exception as error:
            logger.log(
                logging.DEBUG if self.has_raised else logging.WARNING,
                "engine_ext: rope positions: a request left to SGLang, as any like it will be: %r",
                error,
            )
            self.has_raised = True
        return None


def _are_equal(found: Tensor, expected: Tensor) -> bool:
    return found.dtype == expected.dtype and torch.equal(found, expected)


def _proving() -> dict[str, Proving]:
    """Those of ours whose counterpart has the parameters that it was written for."""
    from sglang.srt.layers.rotary_embedding import MRotaryEmbedding

    found = {}
    for name, ours in OURS.items():
        stock = getattr(MRotaryEmbedding, name)
        if isinstance(stock, partial):  # replaced before
            continue
        if has_parameters_of(stock, ours):
            found[name] = Proving(name, ours)
        else:
            logger.warning(
                "engine_ext: %s has other parameters here: its positions are left to SGLang", name
            )
    return found


def has_parameters_of(stock: Callable[..., Any], ours: Callable[..., Any]) -> bool:
    """Whether both have the same parameters, what gathers other keywords aside."""
    names = ([*inspect.signature(one).parameters][:-1] for one in (stock, ours))
    return next(names) == next(names)
