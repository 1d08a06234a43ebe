"""The features that are on in this vLLM."""

from __future__ import annotations

import os
from collections.abc import Mapping

import vllm

from engine_ext.features import features_of


def features(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Raises `engine_ext.features.UnknownFeature`."""
    from vllm.platforms import current_platform

    is_cpu = current_platform.is_cpu()
    return features_of("vllm", vllm.__version__, is_cpu=is_cpu, environ=environ)
