"""The features that are on in this SGLang."""

from __future__ import annotations

import os
from collections.abc import Mapping

import sglang

from engine_ext.features import features_of
from engine_ext.sglang.versions import TRIED


def features(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Raises `engine_ext.features.UnknownFeature`."""
    return features_of("sglang", sglang.__version__, TRIED, environ)
