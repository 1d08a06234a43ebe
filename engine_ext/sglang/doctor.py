"""What ``engine-ext doctor`` says of SGLang in this environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from engine_ext.installed import (
    ENTRY_POINT,
    Problems,
    declared,
    entry_point_found,
    entry_point_problems,
    installed_version,
    probed,
    untried_problems,
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
OPTIONS = {
    "process": {
        "mm_process_config": "smaller images",
        "mm_preprocess_cache_size_mb": "images seen before",
    },
    "copy": {"mm_feature_transport": "cuda_ipc: rows stay on the GPU"},
    "tower": {"mm_attention_backend": "another kernel"},
}
"""What shortens a stage of an image (SGLang 0.5.6 to 0.5.23)."""
DECLARED = ("srt/server_args.py", "srt/arg_groups/fields/mm.py")


def examine(environ: Mapping[str, str], load: bool) -> dict[str, Any] | None:
    """Everything ``doctor`` reports of SGLang, or None where it is not installed.

    Args:
        load: whether to load SGLang's plugins and models, in a process of their own.
    """
    version = installed_version("sglang")
    if version is None:
        return None
    found, failed = probed(
        "engine_ext.sglang.probe", "SGLang cannot load its models", environ, load
    )
    return {
        "version": version,
        "entry_point_found": entry_point_found(GROUP) if loads_plugins(version) else None,
        "entry_point_allowed": entry_point_allowed(environ),
        "external_package": external_package(environ),
        "off": off(version, environ),
        "options": declared("sglang", DECLARED, OPTIONS),
        **found,
        "problems": {**problems(version, environ), **failed},
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


def off(version: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What is off, beside what ``ENGINE_EXT`` and the version say: rope positions, where nothing
    leads into the tokenizer's process."""
    if loads_plugins(version) or environ.get(PROCESSORS_VARIABLE) == PROCESSOR_PACKAGE:
        return {}
    return {"mrope": f"only with {PROCESSORS_VARIABLE}={PROCESSOR_PACKAGE}"}


def problems(found: str, environ: Mapping[str, str] = os.environ) -> Problems:
    """What keeps the extension from acting in SGLang ``found``, without importing SGLang."""
    result = untried_problems("SGLang", found, TRIED, environ)
    if external_package(environ):
        return result  # this way in needs no other
    if not loads_plugins(found):
        text = f"SGLang {found} loads no plugins: set {EXTERNAL_VARIABLE}={EXTERNAL_PACKAGE}"
        command = f"export {EXTERNAL_VARIABLE}={EXTERNAL_PACKAGE}"
        return {**result, text + _instead(environ): command}
    return result | entry_point_problems(
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
