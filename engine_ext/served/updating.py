"""An update of a served model by its engine, while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Update:
    """What is known of an update so far.

    ``is_whole``: it brings a whole checkpoint, so a projection must not keep parts of its old
    weights. ``on_failure`` is called when it fails, before the engine rolls it back.
    """

    is_whole: bool
    on_failure: Callable[[], None]
    error: Exception | None = None
    """What made it fail, if anything has."""
    sealed: set[str] = field(default_factory=set)
    """The projections sealed in it."""
