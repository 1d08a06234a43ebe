"""Version numbers of engines and of torch, compared by their release alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

Version = tuple[int, ...]


def parse_version(version: str) -> Version:
    """The numbers of a release: ``2.10.0+cpu`` is (2, 10, 0). (0,) where there are none."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match.group().split(".")) if match else (0,)


@dataclass(frozen=True)
class TriedVersions:
    """The versions an adapter has been tried on: ``oldest`` <= version < ``beyond``."""

    oldest: Version
    beyond: Version
    text: str
    """The same for readers."""

    def __contains__(self, version: str) -> bool:
        """Whether ``version`` (``0.32.0``, ``0.32.0+cpu``, ``0.5.10.post1``) is among them."""
        return self.oldest <= parse_version(version) < self.beyond

    def __str__(self) -> str:
        return self.text
