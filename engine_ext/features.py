"""``ENGINE_EXT``: which features of the extension are on, and why others are off."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from engine_ext import __version__
from engine_ext.versions import TriedVersions

VARIABLE = "ENGINE_EXT"
UNTRIED = "ENGINE_EXT_UNTRIED"
"""``1``: act on versions of an engine that have not been tried, too."""
OFF = "off"
AS_OFF = frozenset({OFF, "0", "none", "false"})
"""What is taken for it, in any case."""
FEATURES = {
    "linear": "patch embedding as one matrix product",
    "mrope": "rope positions of multimodal prompts without a step per token",
    "pixels": "images and videos sent as uint8, one frame of an image",
    "resize": "with pixels: images sent as they were decoded, resized where the model is",
}
DEFAULT = ("linear", "mrope", "pixels")
"""On where the variable is not set."""
OF_ENGINE = {
    "sglang": ("linear", "mrope", "pixels", "resize"),
    "vllm": ("linear", "pixels", "resize"),
}
"""What there is for an engine. vLLM computes positions in numpy already, span by span."""
NAMED_ONLY = {"sglang": ("resize",), "vllm": ("pixels", "resize")}
"""What is on only where it is named: vLLM's front end cannot tell whose engine it makes requests
ready for (a render server, Ray), and what it sends of pixels an engine without us refuses. Resizing
has not been run on a GPU, and on a CPU it only moves."""
TRIED = {
    "sglang": {
        "pixels": TriedVersions((0, 5, 11), (0, 5, 24), "0.5.11 to 0.5.23"),
        "resize": TriedVersions((0, 5, 23), (0, 5, 24), "0.5.23"),
    },
    "vllm": {
        "pixels": TriedVersions((0, 28), (0, 34), "0.28 to 0.33"),
        "resize": TriedVersions((0, 30), (0, 34), "0.30 to 0.33"),
    },
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
    if {word.lower() for word in words} <= AS_OFF:
        return ()
    unknown = sorted(words - FEATURES.keys())
    if unknown:
        known = ", ".join(FEATURES)
        raise UnknownFeature(
            f"{VARIABLE}={environ[VARIABLE]!r}: {', '.join(map(repr, unknown))} not understood; "
            f"expected a comma list of: {known}; or {OFF} alone to leave the engine stock"
        )
    return tuple(feature for feature in FEATURES if feature in words)


def why_off(
    engine: str, version: str, tried: TriedVersions, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Each feature that is off in this version of an engine, and why.

    Args:
        tried: the versions that the adapter of the engine has been tried on.

    Raises:
        UnknownFeature: as `enabled_features`.
    """
    asked, named = enabled_features(environ), enabled_features(environ, ())
    found = {}
    for name in FEATURES:
        versions = (tried, TRIED[engine].get(name, tried))
        untried = [each.why_not(version) for each in versions if version not in each]
        if name not in OF_ENGINE[engine]:
            found[name] = "the engine does it so already"
        elif name in NAMED_ONLY[engine] and name not in named:
            found[name] = f"only where {VARIABLE} names it"
        elif name not in asked:
            found[name] = f"{VARIABLE}={environ[VARIABLE]}"
        elif untried and environ.get(UNTRIED) != "1":
            found[name] = f"{version or repr(version)} {untried[0]}; {UNTRIED}=1 lets it act"
    if "pixels" in found:
        found.setdefault("resize", "there is none without pixels")
    return found


def is_untried(engine: str, version: str, feature: str) -> bool:
    """Whether a feature that is on has not been tried on this version of an engine."""
    return feature in TRIED[engine] and version not in TRIED[engine][feature]


def features_of(
    engine: str, version: str, tried: TriedVersions, environ: Mapping[str, str] = os.environ
) -> tuple[str, ...]:
    """The features that are on in this version of an engine. Arguments as of `why_off`."""
    off = why_off(engine, version, tried, environ)
    return tuple(name for name in FEATURES if name not in off)


def say_features(
    engine: str,
    version: str,
    tried: TriedVersions,
    logger: logging.Logger,
    environ: Mapping[str, str] = os.environ,
) -> bool:
    """The line that each process logs when it starts: what is on, and why the rest is off.

    A warning where what was asked for, or all of it, is off because it has not been tried.

    Returns:
        Whether the log is set up, so that it can be read.
    """
    off = why_off(engine, version, tried, environ)
    on = [name for name in FEATURES if name not in off]
    why: dict[str, list[str]] = {}
    for name, reason in off.items():
        why.setdefault(reason, []).append(name)
    rest = "".join(f"; off: {', '.join(names)}: {reason}" for reason, names in why.items())
    named = enabled_features(environ, ())
    is_missing = any(
        UNTRIED in reason and (name in named or not on) for name, reason in off.items()
    )
    logger.log(
        logging.WARNING if is_missing else logging.INFO,
        "engine_ext: %s beside %s %s, on: %s%s",
        *(__version__, engine, version, ", ".join(on) or "nothing", rest),
    )
    return logger.hasHandlers() and logger.isEnabledFor(logging.INFO)


def is_named(feature: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether an operator has asked for a feature: then it does what it can, not what is worth it.

    Raises:
        UnknownFeature: as `enabled_features`.
    """
    return feature in enabled_features(environ, ())
