"""What ``engine-ext doctor`` says of vLLM in this environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from engine_ext.features import stays_stock
from engine_ext.installed import (
    ENTRY_POINT,
    entry_point_found,
    entry_point_problems,
    installed_version,
    registration,
)
from engine_ext.vllm.versions import TRIED

GROUP = "vllm.general_plugins"
ALLOWED_VARIABLE = "VLLM_PLUGINS"


def examine(environ: Mapping[str, str], load: bool) -> dict[str, Any] | None:
    """Everything ``doctor`` reports of vLLM, or None where it is not installed.

    Args:
        load: whether to load vLLM's plugins, in a process of their own.
    """
    version = installed_version("vllm")
    if version is None:
        return None
    registered, error = registration("engine_ext.vllm.probe", environ, load)
    found = problems(version, environ)
    if error:
        found.append(f"vLLM cannot load its plugins: {error}")
    return {
        "version": version,
        "entry_point_found": entry_point_found(GROUP),
        "entry_point_allowed": entry_point_allowed(environ),
        "rope_positions": "vLLM's own, in numpy already: nothing to replace",
        **registered,
        "problems": found,
    }


def entry_point_allowed(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether vLLM will call the entry point: ``VLLM_PLUGINS`` is a whitelist when set."""
    allowed = environ.get(ALLOWED_VARIABLE)
    return allowed is None or ENTRY_POINT in allowed.split(",")


def problems(found: str, environ: Mapping[str, str] = os.environ) -> list[str]:
    """What keeps the extension from acting in vLLM ``found``, without importing vLLM."""
    return stays_stock("vLLM", found, TRIED, environ) + entry_point_problems(
        "vLLM",
        GROUP,
        ALLOWED_VARIABLE,
        environ,
        found=entry_point_found(GROUP),
        allowed=entry_point_allowed(environ),
    )
