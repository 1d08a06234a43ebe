"""Commands that are told to end leave by an exception, and end what they have started."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

ENDING = 10.0
"""Seconds in which what is told to end does so by itself."""


def leave_when_told() -> None:
    """Leave by `SystemExit` at SIGTERM, and at SIGHUP where it is not ignored, as by ``nohup``.

    By itself Python ends at once at both, and servers, which have sessions of their own, run on.
    """
    signal.signal(signal.SIGTERM, _leave)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _leave)


def end(process: subprocess.Popen[bytes]) -> None:
    """Tell a process to end, by SIGTERM, and kill it if it does not in `ENDING` seconds."""
    process.terminate()  # does nothing where it has ended
    try:
        process.wait(ENDING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _leave(number: int, _: Any) -> None:
    sys.exit(128 + number)
