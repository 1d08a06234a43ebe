"""What ``engine-ext doctor`` says of vLLM in this environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from engine_ext.installed import ENTRY_POINT, entry_point_found, installed_version, run_probe
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
    registered = run_probe("engine_ext.vllm.probe", environ) if load else {}
    found = problems(version, environ)
    if "error" in registered:
        found.append(f"vLLM cannot load its plugins: {registered['error']}")
    return {
        "version": version,
        "entry_point_found": entry_point_found(GROUP),
        "entry_point_allowed": entry_point_allowed(environ),
        "overrides": registered.get("overridden"),
        "not_covered": registered.get("not_covered"),
        "log": registered.get("log", []),
        "problems": found,
    }


def entry_point_allowed(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether vLLM will call the entry point: ``VLLM_PLUGINS`` is a whitelist when set."""
    allowed = environ.get(ALLOWED_VARIABLE)
    return allowed is None or ENTRY_POINT in allowed.split(",")


def problems(found: str, environ: Mapping[str, str] = os.environ) -> list[str]:
    """What keeps the extension from acting in vLLM ``found``, without importing vLLM."""
    result = []
    if found not in TRIED:
        result.append(f"vLLM {found} has not been tried (tried: {TRIED}): it stays stock")
    if not entry_point_found(GROUP):
        result.append(
            f"no entry point {ENTRY_POINT!r} in group {GROUP}: engine_ext is not installed beside "
            "vLLM"
        )
    if not entry_point_allowed(environ):
        result.append(
            f"{ALLOWED_VARIABLE}={environ[ALLOWED_VARIABLE]!r} does not name {ENTRY_POINT}: vLLM "
            "will not load it"
        )
    return result
