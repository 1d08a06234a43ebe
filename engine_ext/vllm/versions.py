"""The vLLM versions this adapter has been tried on."""

from __future__ import annotations

import re

OLDEST = (0, 11, 0)
BEYOND = (0, 34)
TRIED = "0.11.0 to 0.33"


def is_tried(version: str) -> bool:
    """Whether ``version`` (``0.32.0``, ``0.32.0+cpu``, ``0.11.1rc2``) is in the tried range."""
    return OLDEST <= parse(version) < BEYOND


def parse(version: str) -> tuple[int, ...]:
    """The numbers of a release, patch level included; (0,) for a version without numbers."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match.group().split(".")) if match else (0,)
