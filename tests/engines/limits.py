"""The engine installed here, and what it cannot do on stock, so that no test asks for it."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest

from engine_ext.features import TRIED
from engine_ext.installed import installed_version
from engine_ext.versions import parse_version
from evals import checkpoints

NAME = next((name for name in ("sglang", "vllm") if find_spec(name)), "")
VERSION = parse_version(installed_version(NAME) or "") if NAME else (0,)
IS_OLD_SGLANG = NAME == "sglang" and VERSION < (0, 5, 11)

DEFAULT: dict[str, str] = {}
"""Variables for an engine that does what the installed extension does by itself: none."""
if IS_OLD_SGLANG:  # it loads no plugins
    DEFAULT["SGLANG_EXTERNAL_MODEL_PACKAGE"] = "engine_ext.sglang.external"
    DEFAULT["SGLANG_EXTERNAL_MM_PROCESSOR_PACKAGE"] = "engine_ext.sglang.processors"
ON = {**DEFAULT, "ENGINE_EXT": os.environ.get("TESTED_FEATURES", "linear,mrope,pixels")}
"""Features by their names, so that a layer that multiplies already is replaced too."""
OFF = {"ENGINE_EXT": "off"}

RECORDS = "RELIABILITY_RECORDS"
"""Environment variable: the folder to record in what the tests show."""
slow = pytest.mark.slow

HAS_PIXELS = NAME == "" or ".".join(map(str, VERSION)) in TRIED[NAME]["pixels"]
with_pixels = pytest.mark.skipif(not HAS_PIXELS, reason="pixels: not tried on this version")


def families() -> list[str]:
    """SGLang 0.5.9 finds no vision weight of Qwen3-VL under its own names (sglang #19333)."""
    skipped = {"qwen3_vl"} if NAME == "sglang" and VERSION == (0, 5, 9) else set()
    return [family for family in checkpoints.FAMILIES if family not in skipped]


def equals_transformers(family: str) -> bool:
    """SGLang 0.5.8 interpolates the position embeddings of Qwen3-VL otherwise (align_corners)."""
    return not (family == "qwen3_vl" and NAME == "sglang" and VERSION < (0, 5, 9))


def serves_video(family: str) -> bool:
    """vLLM 0.11.0 cannot start GLM4V with clips under a small token budget.

    It profiles a clip of one frame then, and transformers refuses it: "t:1 must be larger than
    temporal_factor:2". SGLang 0.5.19 and older decode clips into pinned memory, which wants a GPU:
    "Cannot access accelerator device when none is available".
    """
    if NAME == "sglang":
        return VERSION >= (0, 5, 20)
    return not (family == "glm4v" and NAME == "vllm" and VERSION == (0, 11, 0))


def settings(family: str) -> dict[str, object]:
    """Settings of the engine on top of those for a CPU."""
    if NAME != "vllm":
        return {}
    return {"limit_mm_per_prompt": {"image": 2, "video": int(serves_video(family))}}
