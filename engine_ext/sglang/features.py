"""The features that are on in this SGLang."""

from __future__ import annotations

import os
from collections.abc import Mapping

import sglang

from engine_ext.features import features_of, say_features
from engine_ext.sglang.log import logger
from engine_ext.sglang.versions import TRIED

is_read = False
"""Whether this process has said which are on where it can be read."""


def features(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Raises `engine_ext.features.UnknownFeature`."""
    return features_of("sglang", sglang.__version__, TRIED, environ)


def say() -> None:
    """Say in the log which are on, once it is set up."""
    global is_read
    is_read = is_read or say_features("sglang", sglang.__version__, TRIED, logger)
