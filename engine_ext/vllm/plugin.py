"""The entry point vLLM calls in each of its processes (group ``vllm.general_plugins``)."""

from __future__ import annotations

import os

from engine_ext import status
from engine_ext.features import VARIABLE

RAY_COPIES = "VLLM_RAY_EXTRA_ENV_VAR_PREFIXES_TO_COPY"
"""How the variables that Ray's actors get begin, beside those of vLLM (newer than #34383)."""


def register() -> None:
    """Register the overrides. Idempotent; imports no model and initialises no device.

    Raises:
        UnknownFeature: ``ENGINE_EXT`` holds an unknown word. vLLM does not start then; an operator
            who mistyped it must not be served stock in silence.
    """
    import vllm

    from engine_ext.vllm.features import features, say
    from engine_ext.vllm.log import logger

    say()
    status.begin()
    _reach_actors_of_ray()
    if not features():
        return
    try:
        from vllm import ModelRegistry

        from engine_ext.vllm.architectures import ARCHITECTURES
        from engine_ext.vllm.overrides import register_overrides

        register_overrides(ModelRegistry, ARCHITECTURES)
    except Exception:
        # The engine goes on with stock either way; without this line nobody would know.
        logger.exception("engine_ext: cannot register with vLLM %s, left stock", vllm.__version__)


def _reach_actors_of_ray() -> None:
    """Have our variables copied to actors of Ray, which inherit none."""
    from vllm import envs

    if RAY_COPIES not in envs.environment_variables:
        return  # vLLM warns of variables that it does not know
    named = os.environ.get(RAY_COPIES, "")
    is_set = any(name.startswith(VARIABLE) for name in os.environ)
    if is_set and VARIABLE not in named.split(","):
        os.environ[RAY_COPIES] = f"{named},{VARIABLE}".lstrip(",")
