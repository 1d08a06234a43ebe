"""When the next tokens of running texts came, written in SGLang's scheduler."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from time import perf_counter
from typing import Any

from benchmarks.stages import STEPS
from benchmarks.stages.clock import append


def marked(step: Callable[..., Any]) -> Callable[..., Any]:
    """What a scheduler does with a batch's next tokens: then it writes when, and of how many."""
    if STEPS not in os.environ:
        return step

    @functools.wraps(step)
    def call(self: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
        done = step(self, batch, *args, **kwargs)
        append(os.environ[STEPS], {"at": perf_counter(), "texts": len(batch.reqs)})
        return done

    return call


def unattended(attend: Callable[..., Any]) -> Callable[..., Any]:
    """The attention of a prompt's tokens, left out where steps are marked: a CPU takes seconds."""
    if STEPS not in os.environ:
        return attend
    return lambda self, query, output, *_, **__: output.zero_()
