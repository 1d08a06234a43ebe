"""``ENGINE_EXT``: which features of the extension are on."""

from __future__ import annotations

import os
from collections.abc import Mapping

VARIABLE = "ENGINE_EXT"
OFF = "off"
FEATURES = {
    "linear": "patch embedding as one matrix product",
    "mrope": "rope positions of multimodal prompts without a step per token",
    "pixels": "stills as raw pixels, with rescaling and normalising in the projection",
}
DEFAULT = ("linear", "mrope")
OF_ENGINE = {"sglang": ("linear", "mrope", "pixels"), "vllm": ("linear", "pixels")}
"""What there is for an engine. vLLM computes positions in numpy already, span by span."""


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


def features_of(engine: str, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Those of the features switched on that there are for an engine.

    Raises:
        UnknownFeature: as `enabled_features`.
    """
    return tuple(name for name in enabled_features(environ) if name in OF_ENGINE[engine])
