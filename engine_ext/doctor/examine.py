"""What the extension would do in this environment, and what stock does without it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from typing import Any

from engine_ext import __version__
from engine_ext.doctor.compatibility import LAYERS, conv3d_is_slow, stock_range
from engine_ext.features import FEATURES, VARIABLE, UnknownFeature, enabled_features, why_off
from engine_ext.installed import REPORT

NO_ENGINE = "pip install sglang   # or vllm; with one elsewhere: ITS_PYTHON -m engine_ext doctor"


def examine(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Everything ``engine-ext doctor`` reports, as plain data.

    ``active`` says whether an engine here would serve with the extension; ``problems`` why not, and
    with which command each is mended.
    """
    report: dict[str, Any] = {
        "engine_ext": __version__,
        "python": platform.python_version(),
        "stack": _stack(),
        VARIABLE: environ.get(VARIABLE),
        "problems": {},
        "engines": {},
    }
    if report["stack"]["torch"] is None:
        text = f"torch cannot be used: {report['stack']['error']}"
        report["problems"][text] = "pip install torch   # an engine brings its own"
    try:
        is_wanted, is_understood = "linear" in enabled_features(environ), True
    except UnknownFeature as error:
        is_wanted = is_understood = False
        report["problems"][str(error)] = f"unset {VARIABLE}"
    for name, adapter in _adapters().items():
        engine = adapter.examine(environ, load=is_understood)
        if engine is not None:
            engine["stock"] = _stock(name, engine["version"], report["stack"])
            off = dict.fromkeys(FEATURES, f"{VARIABLE} is not understood")
            if is_understood:
                off = why_off(name, engine["version"], adapter.TRIED, environ)
            engine["off"] = {**engine.get("off", {}), **off}
            engine["features"] = [feature for feature in FEATURES if feature not in engine["off"]]
            report["engines"][name] = engine
    if not report["engines"]:
        report["problems"]["no engine found: neither SGLang nor vLLM is installed here"] = NO_ENGINE
    for name, engine in report["engines"].items():
        if is_wanted and engine["overrides"] == [] and not engine["problems"]:
            logged = "; ".join(engine["log"]) or "its log does not say why"
            engine["problems"][f"{name} resolves models to its own classes: {logged}"] = REPORT
        report["problems"] |= engine["problems"]
    is_on = any(engine["features"] for engine in report["engines"].values())
    report["active"] = is_on and not report["problems"]
    return report


def _stack() -> dict[str, Any]:
    try:
        import torch

        gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
        number = torch.backends.cudnn.version() if torch.version.cuda else None  # type: ignore[no-untyped-call]
    except Exception as error:  # a broken torch must not keep the rest from view
        said = " ".join(str(error).split()) or type(error).__name__  # on one line
        return {"torch": None, "error": said, "gpu": None, "cudnn": None}
    return {"torch": torch.__version__, "gpu": gpu, "cudnn": _cudnn_version(number)}


def _cudnn_version(number: int | None) -> str | None:
    """cuDNN packs 9.10.2 as 91002, and 8.9.7 as 8907."""
    if number is None:
        return None
    major, rest = divmod(number, 10000) if number >= 90000 else divmod(number, 1000)
    return f"{major}.{rest // 100}.{rest % 100}"


def _adapters() -> dict[str, Any]:
    from engine_ext.sglang import doctor as sglang
    from engine_ext.vllm import doctor as vllm

    return {"sglang": sglang, "vllm": vllm}


def _stock(engine: str, version: str, stack: Mapping[str, Any]) -> dict[str, str]:
    """What stock computes, by the models it does so for."""
    row = stock_range(engine, version)
    if row is None or stack["torch"] is None:
        return {}
    has_gpu = stack["gpu"] is not None
    found: dict[str, list[str]] = {}
    for models, layer in row.layers.items():
        name = LAYERS[layer].replace("`", "")
        if row.is_linear(layer, stack["torch"], has_gpu):
            text = "a matrix product already: left alone unless ENGINE_EXT names linear"
            text = text if layer == "F.linear" else f"{name}, {text}"
        elif conv3d_is_slow(stack["torch"], stack["cudnn"]):
            text = (
                f"{name}, a convolution; torch {stack['torch']} with cuDNN {stack['cudnn']} takes "
                "the slow generic path in bf16 and fp16: much to gain"
            )
        else:
            text = f"{name}, a convolution: something to gain"
        found.setdefault(text, []).append(models)
    return {", ".join(models): text for text, models in found.items()}
