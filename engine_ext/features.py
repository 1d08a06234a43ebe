"""``ENGINE_EXT``: which features of the extension are on."""

from __future__ import annotations

import os
from collections.abc import Mapping

from engine_ext.versions import TriedVersions

VARIABLE = "ENGINE_EXT"
OFF = "off"
FEATURES = {
    "linear": "patch embedding as one matrix product",
    "mrope": "rope positions of multimodal prompts without a step per token",
    "pixels": "images and videos sent as uint8, one frame of an image",
}
DEFAULT = ("linear", "mrope", "pixels")
"""On where the variable is not set."""
OF_ENGINE = {"sglang": ("linear", "mrope", "pixels"), "vllm": ("linear", "pixels")}
"""What there is for an engine. vLLM computes positions in numpy already, span by span."""
NAMED_ONLY = {"sglang": (), "vllm": ("pixels",)}
"""What is on only where it is named: vLLM's front end cannot tell whose engine it makes requests
ready for (a render server, Ray), and what it sends of pixels an engine without us refuses."""
TRIED = {
    "sglang": {"pixels": TriedVersions((0, 5, 11), (0, 5, 24), "0.5.11 to 0.5.23")},
    "vllm": {"pixels": TriedVersions((0, 28), (0, 34), "0.28 to 0.33")},
}
"""Features that have been tried on fewer versions of an engine than the others."""


class UnknownFeature(ValueError):
    """``ENGINE_EXT`` holds a word that is no feature."""


def enabled_features(
    environ: Mapping[str, str] = os.environ, default: tuple[str, ...] = DEFAULT
) -> tuple[str, ...]:
    """The features switched on, in the order of ``FEATURES``; empty for ``ENGINE_EXT=off``.

    Args:
        default: those that are on where the variable is not set.

    Raises:
        UnknownFeature: a word that is no feature, or ``off`` beside one.
    """
    words = {word.strip() for word in environ.get(VARIABLE, "").split(",")} - {""}
    if not words:
        return default
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


def features_of(
    engine: str, version: str, environ: Mapping[str, str] = os.environ
) -> tuple[str, ...]:
    """Those of the features switched on that there are for this version of an engine.

    Raises:
        UnknownFeature: as `enabled_features`.
    """
    tried = TRIED[engine]
    default = tuple(name for name in DEFAULT if name not in NAMED_ONLY[engine])
    return tuple(
        name
        for name in enabled_features(environ, default)
        if name in OF_ENGINE[engine] and (name not in tried or version in tried[name])
    )


def is_named(feature: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether an operator has asked for a feature: then it does what it can, not what is worth it.

    Raises:
        UnknownFeature: as `enabled_features`.
    """
    return feature in enabled_features(environ, ())


def untried(engine: str, version: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Features that were asked for by name and are off, and the versions they were tried on.

    Raises:
        UnknownFeature: as `enabled_features`.
    """
    asked = enabled_features(environ, ())
    tried = TRIED[engine]
    return {
        name: str(tried[name]) for name in asked if name in tried and version not in tried[name]
    }
