"""What ``engine-ext doctor`` says of SGLang in this environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from engine_ext.features import UnknownFeature, enabled_features, stays_stock
from engine_ext.installed import (
    ENTRY_POINT,
    entry_point_found,
    entry_point_problems,
    installed_version,
    registration,
)
from engine_ext.sglang.versions import (
    EXTERNAL_PACKAGE,
    EXTERNAL_VARIABLE,
    PLUGINS_SINCE,
    PROCESSOR_PACKAGE,
    PROCESSORS_VARIABLE,
    TRIED,
)
from engine_ext.versions import names_release, parse_version

GROUP = "sglang.srt.plugins"
ALLOWED_VARIABLE = "SGLANG_PLUGINS"


def examine(environ: Mapping[str, str], load: bool) -> dict[str, Any] | None:
    """Everything ``doctor`` reports of SGLang, or None where it is not installed.

    Args:
        load: whether to load SGLang's plugins and models, in a process of their own.
    """
    version = installed_version("sglang")
    if version is None:
        return None
    registered, error = registration("engine_ext.sglang.probe", environ, load)
    found = problems(version, environ)
    if error:
        found.append(f"SGLang cannot load its models: {error}")
    return {
        "version": version,
        "entry_point_found": entry_point_found(GROUP) if loads_plugins(version) else None,
        "entry_point_allowed": entry_point_allowed(environ),
        "external_package": external_package(environ),
        "rope_positions": rope_positions(version, environ),
        **registered,
        "problems": found,
    }


def loads_plugins(version: str) -> bool:
    """What names no release is taken for a build of the newest sources."""
    return not names_release(version) or parse_version(version) >= PLUGINS_SINCE


def entry_point_allowed(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether SGLang will call the entry point: ``SGLANG_PLUGINS`` is a whitelist unless empty."""
    allowed = [name.strip() for name in environ.get(ALLOWED_VARIABLE, "").split(",")]
    return allowed == [""] or ENTRY_POINT in allowed


def external_package(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether SGLang is told to register our classes as an external model package."""
    return environ.get(EXTERNAL_VARIABLE) == EXTERNAL_PACKAGE


def rope_positions(version: str, environ: Mapping[str, str] = os.environ) -> str:
    """Who computes the rope positions of multimodal requests."""
    try:
        is_on = "mrope" in enabled_features(environ)
    except UnknownFeature:
        is_on = False
    if not is_on:
        return "SGLang's own (ENGINE_EXT)"
    if loads_plugins(version) or environ.get(PROCESSORS_VARIABLE) == PROCESSOR_PACKAGE:
        return "by the extension, once they came out equal to SGLang's"
    return f"SGLang's own; set {PROCESSORS_VARIABLE}={PROCESSOR_PACKAGE} for the extension's"


def problems(found: str, environ: Mapping[str, str] = os.environ) -> list[str]:
    """What keeps the extension from acting in SGLang ``found``, without importing SGLang."""
    result = stays_stock("SGLang", found, TRIED, environ)
    if external_package(environ):
        return result  # this way in needs no other
    if not loads_plugins(found):
        result.append(
            f"SGLang {found} loads no plugins: set {EXTERNAL_VARIABLE}={EXTERNAL_PACKAGE}"
            + _instead(environ)
        )
        return result
    return result + entry_point_problems(
        "SGLang",
        GROUP,
        ALLOWED_VARIABLE,
        environ,
        found=entry_point_found(GROUP),
        allowed=entry_point_allowed(environ),
    )


def _instead(environ: Mapping[str, str]) -> str:
    other = environ.get(EXTERNAL_VARIABLE)
    return f" (it is {other!r}, and SGLang takes one package)" if other else ""
