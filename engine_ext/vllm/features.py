"""The features that are on in this vLLM."""

from __future__ import annotations

import os
from collections.abc import Mapping

import vllm

from engine_ext.features import features_of, say_features
from engine_ext.vllm.log import logger
from engine_ext.vllm.versions import TRIED

_is_read = False


def features(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Raises `engine_ext.features.UnknownFeature`."""
    return features_of("vllm", vllm.__version__, TRIED, environ)


def say() -> None:
    """Say in the log which are on, once it is set up: `vllm serve` loads plugins before."""
    global _is_read
    _is_read = _is_read or say_features("vllm", vllm.__version__, TRIED, logger)
