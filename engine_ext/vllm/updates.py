"""``reload_weights`` of a running vLLM engine: a refused checkpoint loses nothing.

The projection gets the weights back that served before, vLLM finishes the reload, the checkpoint
that served is loaded again, and the caller is told.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

from engine_ext.served import served_model
from engine_ext.vllm.log import logger

SOURCE = ("model", "model_weights", "revision")
"""What names the checkpoint in vLLM's ``ModelConfig``."""


@functools.cache
def guard_reloads() -> None:
    """Wrap ``GPUModelRunner.reload_weights``, once in this process; CPUs have a subclass of it.

    vLLM has no hook there (0.32). Versions whose reload does not name a checkpoint are left alone:
    they do not call the hook that seals.
    """
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    reload = getattr(GPUModelRunner, "reload_weights", None)
    if reload is None or "weights_path" not in inspect.signature(reload).parameters:
        return

    @functools.wraps(reload)
    def reload_weights(self: Any, *args: Any, **kwargs: Any) -> None:
        reload_or_restore(reload, self, *args, **kwargs)

    GPUModelRunner.reload_weights = reload_weights


def reload_or_restore(reload: Any, runner: Any, *args: Any, **kwargs: Any) -> None:
    """Reload, and where a projection is refused, load what served before.

    Raises:
        VerificationError: weights that must not serve; the engine goes on as before, but for
            weights of another source than a checkpoint: of those, others may be in place.
    """
    served = served_model(runner.get_model())
    if served is None:
        reload(runner, *args, **kwargs)
        return
    config = runner.model_config
    source = {name: getattr(config, name) for name in SOURCE if hasattr(config, name)}
    with served.updating() as update:
        reload(runner, *args, **kwargs)
    if update.error is None:
        return
    if kwargs.get("weights_path") is not None:
        logger.error("engine_ext: reload refused, back to %s: %s", source["model"], update.error)
        for name, value in source.items():
            setattr(config, name, value)
        reload(runner)
    raise update.error
