"""``reload_weights`` of a running vLLM engine: a refused checkpoint loses nothing.

The projection gets the weights back that served before, the checkpoint that served is loaded again,
and the caller is told.
"""

from __future__ import annotations

import functools
import inspect
import sys
from typing import Any

from torch import nn

from engine_ext.served import served_model
from engine_ext.vllm.log import logger

SOURCE = ("model", "model_weights", "revision")
"""What names the checkpoint in vLLM's ``ModelConfig``."""

RUNNERS = ("vllm.v1.worker.gpu_model_runner", "vllm.v1.worker.gpu.model_runner")
"""Either has a ``GPUModelRunner``; CPUs have subclasses."""

_GUARDED = "_engine_ext_guarded"


def guard_reloads() -> None:
    """Wrap ``reload_weights`` of the model runners of this process, each once.

    vLLM has no hook there (0.32). Versions whose reload does not name a checkpoint are left alone:
    they only call ``load_weights``, which the override seals.
    """
    for name in RUNNERS:
        runner = getattr(sys.modules.get(name), "GPUModelRunner", None)
        reload = getattr(runner, "reload_weights", None)
        if reload is None or hasattr(reload, _GUARDED):
            continue
        if "weights_path" in inspect.signature(reload).parameters:
            runner.reload_weights = _guarded(reload)  # type: ignore[union-attr]


def _guarded(reload: Any) -> Any:
    @functools.wraps(reload)
    def reload_weights(self: Any, *args: Any, **kwargs: Any) -> None:
        reload_or_restore(reload, self, *args, **kwargs)

    setattr(reload_weights, _GUARDED, True)
    return reload_weights


def reload_or_restore(reload: Any, runner: Any, *args: Any, **kwargs: Any) -> None:
    """Reload, and where that fails or a projection is refused, load what served before.

    Raises:
        VerificationError: weights that must not serve; the engine goes on as before, but for
            weights of another source than a checkpoint: of those, others may be in place.
    """
    model = runner.get_model()
    served = served_model(model)
    if served is None:
        reload(runner, *args, **kwargs)
        return
    config = runner.model_config
    source = {name: getattr(config, name) for name in SOURCE if hasattr(config, name)}
    given = inspect.signature(reload).bind(runner, *args, **kwargs).arguments
    from_checkpoint = given.get("weights_iterator") is None
    with served.updating(is_whole=from_checkpoint) as update:
        try:
            reload(runner, *args, **kwargs)
            if update.error is None and not update.sealed.issuperset(served.names):
                # No hook for layers without weights, nor for weights in the engine's own layout.
                served.seal_again(model)
        except Exception as error:
            _abandon(model)
            served.update_failed(error)
    if update.error is None:
        return
    if from_checkpoint:
        logger.error("engine_ext: reload refused, back to %s: %s", source["model"], update.error)
        for name, value in source.items():
            setattr(config, name, value)
        try:
            reload(runner)
        except Exception as failure:
            _abandon(model)
            raise failure from update.error
    raise update.error


def _abandon(model: nn.Module) -> None:
    """Give the layers that still wait for weights their own back.

    An exception inside a reload leaves them on the meta device (0.16 to 0.32); later requests, and
    the next reload, would fail on those.
    """
    try:
        from vllm.model_executor.model_loader.reload.layerwise import (
            _place_kernel_tensors,
            get_layerwise_info,
        )
    except ImportError:
        return  # a version that reloads otherwise
    for layer in model.modules():
        info = get_layerwise_info(layer)
        if info.can_load() or getattr(info, "runtime_bound", False):
            if info.kernel_tensors is not None:
                _place_kernel_tensors(layer, info)
            info.reset()
