"""Commands that are told to end leave by an exception, so that they stop what they have started."""

from __future__ import annotations

import signal
import sys
from typing import Any


def leave_when_told() -> None:
    """Leave by `SystemExit` at SIGTERM, and at SIGHUP where it is not ignored, as by ``nohup``.

    By itself Python ends at once at both, and servers, which have sessions of their own, run on.
    """
    signal.signal(signal.SIGTERM, _leave)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _leave)


def _leave(number: int, _: Any) -> None:
    sys.exit(128 + number)
