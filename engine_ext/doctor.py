"""What the extension would do in this environment, and what stock does without it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from typing import Any

from engine_ext import __version__
from engine_ext.compatibility import conv3d_is_slow, stock_layer
from engine_ext.features import UnknownFeature, enabled_features


def examine(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Everything ``engine-ext doctor`` reports, as plain data.

    ``active`` says whether an engine here would serve with the extension; ``problems`` why not.
    """
    report: dict[str, Any] = {
        "engine_ext": __version__,
        "python": platform.python_version(),
        "stack": _stack(),
        "features": [],
        "problems": [],
        "engines": {},
    }
    try:
        report["features"] = list(enabled_features(environ))
    except UnknownFeature as error:
        report["problems"].append(str(error))
    vllm = _examine_vllm(report["stack"], environ, load=not report["problems"])
    if vllm is None:
        report["problems"].append("no engine found: vLLM is not installed in this environment")
    else:
        report["engines"]["vllm"] = vllm
        report["problems"] += vllm["problems"]
    report["active"] = bool(report["features"]) and not report["problems"]
    return report


def _stack() -> dict[str, Any]:
    try:
        import torch
    except (ImportError, OSError) as error:  # a broken torch must not keep the rest from view
        return {"torch": None, "error": str(error), "gpu": None, "cudnn": None}
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    number = torch.backends.cudnn.version() if torch.version.cuda else None  # type: ignore[no-untyped-call]
    return {"torch": torch.__version__, "gpu": gpu, "cudnn": _cudnn_version(number)}


def _cudnn_version(number: int | None) -> str | None:
    """cuDNN packs 9.10.2 as 91002, and 8.9.7 as 8907."""
    if number is None:
        return None
    major, rest = divmod(number, 10000) if number >= 90000 else divmod(number, 1000)
    return f"{major}.{rest // 100}.{rest % 100}"


def _examine_vllm(
    stack: Mapping[str, Any], environ: Mapping[str, str], load: bool
) -> dict[str, Any] | None:
    from engine_ext.vllm import doctor

    version = doctor.installed_version()
    if version is None:
        return None
    result: dict[str, Any] = {
        "version": version,
        "stock": _stock("vllm", version, stack),
        "entry_point_found": doctor.entry_point_found(),
        "entry_point_allowed": doctor.entry_point_allowed(environ),
        "problems": doctor.problems(version, environ),
    }
    registered = doctor.registration(environ) if load else {}
    if "error" in registered:
        result["problems"].append(f"vLLM cannot load its plugins: {registered['error']}")
    result["overrides"] = registered.get("overridden")
    result["not_covered"] = registered.get("not_covered")
    return result


def _stock(engine: str, version: str, stack: Mapping[str, Any]) -> str:
    row = stock_layer(engine, version)
    if row is None or stack["torch"] is None:
        return "not known for this version"
    if row.is_linear_on(stack["torch"], has_gpu=stack["gpu"] is not None):
        return f"{row.layer}, a matrix product already: little or nothing to gain here"
    if conv3d_is_slow(stack["torch"], stack["cudnn"]):
        return (
            f"{row.layer}, a convolution; torch {stack['torch']} with cuDNN {stack['cudnn']} takes "
            "the slow generic path in bf16 and fp16: much to gain"
        )
    return f"{row.layer}, a convolution: something to gain"
