"""The entry point vLLM calls in each of its processes (group ``vllm.general_plugins``)."""

from __future__ import annotations

from engine_ext.features import untried
from engine_ext.vllm.versions import TRIED


def register() -> None:
    """Register the overrides. Idempotent; imports no model and initialises no device.

    Raises:
        UnknownFeature: ``ENGINE_EXT`` holds an unknown word. vLLM does not start then; an operator
            who mistyped it must not be served stock in silence.
    """
    import vllm

    from engine_ext.vllm.features import features
    from engine_ext.vllm.log import logger

    for name, tried in untried("vllm", vllm.__version__).items():
        logger.warning(
            "engine_ext: %s has not been tried on vLLM %s (tried: %s), left out",
            *(name, vllm.__version__, tried),
        )
    if not features():
        logger.info("engine_ext: no feature for vLLM is on (ENGINE_EXT), vLLM is stock")
        return
    if vllm.__version__ not in TRIED:
        logger.warning(
            "engine_ext: vLLM %s has not been tried (tried: %s), left stock",
            vllm.__version__,
            TRIED,
        )
        return
    try:
        from vllm import ModelRegistry

        from engine_ext.vllm.architectures import ARCHITECTURES
        from engine_ext.vllm.overrides import register_overrides

        overridden = register_overrides(ModelRegistry, ARCHITECTURES)
    except Exception:
        # The engine goes on with stock either way; without this line nobody would know.
        logger.exception("engine_ext: cannot register with vLLM %s, left stock", vllm.__version__)
        return
    logger.debug("engine_ext: overrides for %d architectures", len(overridden))
