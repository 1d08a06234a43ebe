"""The features that are on in this vLLM."""

from __future__ import annotations

import os
from collections.abc import Mapping

import vllm

from engine_ext.features import features_of
from engine_ext.vllm.versions import TRIED


def features(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Raises `engine_ext.features.UnknownFeature`."""
    return features_of("vllm", vllm.__version__, TRIED, environ)
