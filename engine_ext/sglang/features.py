"""The features that are on in this SGLang."""

from __future__ import annotations

import os
from collections.abc import Mapping

import sglang

from engine_ext.features import features_of

CPU_ENGINE = "SGLANG_USE_CPU_ENGINE"
"""Environment variable by which SGLang serves on a CPU (sglang.srt.utils.is_cpu)."""


def features(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Raises `engine_ext.features.UnknownFeature`."""
    is_cpu = environ.get(CPU_ENGINE) == "1"
    return features_of("sglang", sglang.__version__, is_cpu=is_cpu, environ=environ)
