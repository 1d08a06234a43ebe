"""``ENGINE_EXT``: which features of the extension are on."""

from __future__ import annotations

import os
from collections.abc import Mapping

VARIABLE = "ENGINE_EXT"
OFF = "off"
FEATURES = {"linear": "patch embedding as one matrix product"}
DEFAULT = ("linear",)


class UnknownFeature(ValueError):
    """``ENGINE_EXT`` holds a word that is no feature."""


def enabled_features(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The features switched on, in the order of ``FEATURES``; empty for ``ENGINE_EXT=off``.

    Raises:
        UnknownFeature: a word that is no feature, or ``off`` beside one.
    """
    words = {word.strip() for word in environ.get(VARIABLE, "").split(",")} - {""}
    if not words:
        return DEFAULT
    if words == {OFF}:
        return ()
    unknown = sorted(words - FEATURES.keys())
    if unknown:
        known = ", ".join(FEATURES)
        raise UnknownFeature(
            f"{VARIABLE}={environ[VARIABLE]!r}: {', '.join(map(repr, unknown))} not understood; "
            f"expected a comma list of: {known}; or {OFF} alone to leave the engine stock"
        )
    return tuple(feature for feature in FEATURES if feature in words)
