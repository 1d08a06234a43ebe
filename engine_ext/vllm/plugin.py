"""The entry point vLLM calls in each of its processes (group ``vllm.general_plugins``)."""

from __future__ import annotations

from engine_ext import status
from engine_ext.features import VARIABLE


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
    """Have our variables copied to actors of Ray, which inherit none.

    Not by vLLM's variable for it, which is a part of the key of its compile cache.
    """
    try:
        from vllm.ray import ray_env
    except ImportError:
        return  # vLLM before 0.20
    if hasattr(ray_env, "DEFAULT_ENV_VAR_PREFIXES"):
        ray_env.DEFAULT_ENV_VAR_PREFIXES.add(VARIABLE)
