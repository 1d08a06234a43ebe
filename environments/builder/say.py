"""Lines about a build go to standard error: standard output holds the path of the Python."""

from __future__ import annotations

import sys
from typing import NoReturn


def say(line: str) -> None:
    print(f"[environments] {line}", file=sys.stderr, flush=True)


def stop(line: str) -> NoReturn:
    """End with one line that says what was found, what was expected and what to do."""
    sys.exit(f"[environments] {line}")
