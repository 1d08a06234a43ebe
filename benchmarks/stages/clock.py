"""Time calls, without the calls in them that are timed as well."""

from __future__ import annotations

import functools
import json
import os
import sys
import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any

from benchmarks.stages import FILE, WAITS

LEAST = 0.02  # milliseconds: what takes less is not written
_thread = threading.local()

Sent = Callable[..., tuple[int, int]]
"""Of the arguments of a call: bytes and patches that it sends."""


def timed(call: Callable[..., Any], stage: str, sent: Sent | None = None) -> Callable[..., Any]:
    """``call``, of which each writes a line."""

    @functools.wraps(call)
    def measured(*args: Any, **kwargs: Any) -> Any:
        around = getattr(_thread, "inner", 0.0)
        _thread.inner = 0.0
        _wait()
        begun = perf_counter()
        try:
            return call(*args, **kwargs)
        finally:
            _wait()
            spent = perf_counter() - begun
            own = 1e3 * (spent - _thread.inner)
            _thread.inner = around + spent
            size, patches = sent(*args, **kwargs) if sent is not None else (0, 0)
            if own > LEAST or patches:
                _write({"stage": stage, "ms": own, "bytes": size, "patches": patches})

    return measured


def _wait() -> None:
    torch = sys.modules.get("torch")
    if os.environ.get(WAITS) == "1" and torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _write(line: dict[str, object]) -> None:
    append(os.environ[FILE], {**line, "process": os.getpid()})


def append(name: str, line: dict[str, object]) -> None:
    """Add a line of JSON to a file."""
    # One call in append mode: lines of several processes do not mix.
    file = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, (json.dumps(line) + "\n").encode())
    finally:
        os.close(file)
