"""One build of an environment at a time, whichever processes ask for it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .say import say


@contextmanager
def locked(file: Path, what: str) -> Iterator[None]:
    """Hold the lock of ``file``; where another process holds it, say so once and wait.

    The system gives the lock back when its holder ends, however it ends, so a build that was
    killed keeps nobody waiting. It ends only when the installer has ended too, which inherits
    the lock: one that outlives its killed parent still writes. The file stays: removing it would
    let two holders in.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another build of {what}")
            fcntl.flock(held, fcntl.LOCK_EX)
        os.set_inheritable(held.fileno(), True)
        yield
