"""Where the extension reaches into an engine: one table an engine, each row with its reason.

An adapter's ``interventions`` module holds its rows. ``engine-ext doctor`` says which of them exist
in the installed engine and which hooks took, and CONTRIBUTING.md is drawn from them
(``make docs``).
"""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine_ext.versions import TriedVersions


@dataclass(frozen=True)
class Intervention:
    """One thing of an engine that an adapter calls, hooks, overrides or relies on."""

    target: str
    """``module:name``, as Python imports it."""
    how: str
    """What is done with it, and in which file of the adapter."""
    why: str
    versions: TriedVersions
    """The engine's versions in which it is used."""
    until: str
    """When the row can go."""
    upstream: str = ""
    """A thread of the engine's repository, such as ``#19333``."""
    hooked: bool = False
    """Whether the engine is asked to put a hook around it."""

    def problem(self) -> str:
        """Why the target is not there in this process; empty where it is. Imports the engine."""
        try:
            pkgutil.resolve_name(self.target)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def has_hook(self) -> bool | None:
        """Whether a hook is around the target in this process; None where none is asked for."""
        if not self.hooked or self.problem():
            return None
        return hasattr(pkgutil.resolve_name(self.target), "__wrapped__")


def examined(rows: Sequence[Intervention], version: str) -> list[dict[str, Any]]:
    """The rows that count for a version of the engine: target, what is wrong with it, and whether
    its hook took in this process."""
    return [
        {"target": row.target, "problem": row.problem(), "has_hook": row.has_hook()}
        for row in rows
        if version in row.versions
    ]
