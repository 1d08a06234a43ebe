"""What ``engine-ext doctor`` says of vLLM in this environment."""

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
from engine_ext.vllm.versions import TRIED

GROUP = "vllm.general_plugins"
ALLOWED_VARIABLE = "VLLM_PLUGINS"
OPTIONS = {
    "process": {
        "mm_processor_kwargs": "smaller images",
        "mm_processor_cache_gb": "images seen before",
        "renderer_num_workers": "several at a time",
    },
    "tower": {"mm_encoder_attn_backend": "another kernel"},
}
"""What shortens a stage of an image (vLLM 0.11 to 0.32)."""


def examine(environ: Mapping[str, str], load: bool) -> dict[str, Any] | None:
    """Everything ``doctor`` reports of vLLM, or None where it is not installed.

    Args:
        load: whether to load vLLM's plugins, in a process of their own.
    """
    version = installed_version("vllm")
    if version is None:
        return None
    found, failed = probed("engine_ext.vllm.probe", "vLLM cannot load its plugins", environ, load)
    return {
        "version": version,
        "entry_point_found": entry_point_found(GROUP),
        "entry_point_allowed": entry_point_allowed(environ),
        "options": declared("vllm", ["engine/arg_utils.py"], OPTIONS),
        **found,
        "problems": {**problems(version, environ), **failed},
    }


def entry_point_allowed(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether vLLM will call the entry point: ``VLLM_PLUGINS`` is a whitelist when set."""
    allowed = environ.get(ALLOWED_VARIABLE)
    return allowed is None or ENTRY_POINT in allowed.split(",")


def problems(found: str, environ: Mapping[str, str] = os.environ) -> Problems:
    """What keeps the extension from acting in vLLM ``found``, without importing vLLM."""
    return untried_problems("vLLM", found, TRIED, environ) | entry_point_problems(
        "vLLM",
        GROUP,
        ALLOWED_VARIABLE,
        environ,
        found=entry_point_found(GROUP),
        allowed=entry_point_allowed(environ),
    )
