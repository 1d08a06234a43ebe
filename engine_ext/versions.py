"""Version numbers of engines and of torch, compared by their release alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

Version = tuple[int, ...]


def parse_version(version: str) -> Version:
    """The numbers of a release: ``2.10.0+cpu`` is (2, 10, 0). (0,) where there are none.

    What comes before a release counts as that release: ``0.5.23rc1``, ``0.5.23.dev7+g1234``.
    """
    match = re.match(r"v?(\d+(\.\d+)*)", version)
    return tuple(int(part) for part in match[1].split(".")) if match else (0,)


def names_release(version: str) -> bool:
    """Whether there is a number in it: not in ``unknown``, ``dev``, or ``0.0.0.dev0``, as builds
    from sources may say."""
    return any(parse_version(version))


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

    def why_not(self, version: str) -> str:
        """Why ``version`` is not among them, after its name; empty where it is."""
        if version in self:
            return ""
        if not names_release(version):
            return f"names no release, so it counts as not tried (tried: {self})"
        return f"has not been tried (tried: {self})"

    def __str__(self) -> str:
        return self.text
