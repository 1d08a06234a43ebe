"""A copy of one of SGLang's processors that asks another processor of transformers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any


def asking(
    processor: Any, kwargs: Mapping[str, Any], change: Callable[[Any], Any]
) -> tuple[Any, dict[str, Any]]:
    """A copy of a processor of SGLang, and the arguments of a call of it.

    One of these may be a worker's processor of transformers, which is asked then.

    Args:
        change: gives what is asked, of the processor of transformers that would have been.
    """
    found = copy.copy(processor)
    # Transformers takes what it reads out of a dictionary.
    asked = {name: dict(v) if isinstance(v, dict) else v for name, v in kwargs.items()}
    if (of_worker := kwargs.get("processor")) is None:
        found._processor = change(processor._processor)
    else:
        asked["processor"] = change(of_worker)
    return found, asked
