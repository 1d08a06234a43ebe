"""The vLLM versions this adapter has been tried on."""

from engine_ext.compatibility import parse_version

OLDEST = (0, 11, 0)
BEYOND = (0, 34)
TRIED = "0.11.0 to 0.33"


def is_tried(version: str) -> bool:
    """Whether ``version`` (``0.32.0``, ``0.32.0+cpu``, ``0.11.1rc2``) is in the tried range."""
    return OLDEST <= parse_version(version) < BEYOND
