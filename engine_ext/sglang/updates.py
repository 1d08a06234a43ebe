"""Updates of the weights of a running SGLang server: sealed, and a refused one loses nothing.

A projection whose new weights do not verify gets its old ones back and the update fails. What
updates weights is wrapped, in the process that holds a model, so that a failure reaches the client
and the server goes on as before: stock ends, or serves what is not a number.
"""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Callable
from typing import Any

import sglang

from engine_ext.patch_embed import VerificationError
from engine_ext.served import served_model
from engine_ext.sglang.log import logger
from engine_ext.versions import parse_version

VERSION = parse_version(sglang.__version__)
SEALS_EVERY_UPDATE = VERSION >= (0, 5, 21)
"""From here on an update ends by ``end_weight_update``, which calls the hook that seals."""

_RUNNER = (
    "sglang.srt.model_executor.model_runner_components.weight_updater.WeightUpdater"
    if VERSION >= (0, 5, 16)
    else "sglang.srt.model_executor.model_runner.ModelRunner"
)
_LOADER = "sglang.srt.model_loader.loader.DefaultModelLoader"
_SCHEDULER = "sglang.srt.managers.scheduler_components.weight_updater.SchedulerWeightUpdaterManager"


@functools.cache
def guard_updates() -> None:
    """Wrap what updates weights in this process, once."""
    _wrap(f"{_RUNNER}.update_weights_from_disk", update_from_disk)
    _wrap(f"{_LOADER}.load_weights_and_postprocess", load_and_postprocess)
    if SEALS_EVERY_UPDATE:
        _wrap(f"{_SCHEDULER}.end_weight_update", end_update)
    else:
        _wrap(f"{_RUNNER}.update_weights_from_tensor", update_from_tensor)


def after_load_weights(model: Any) -> None:
    """Seal a running model whose weights an older SGLang has updated without calling its hook.

    Raises:
        VerificationError: weights that must not serve.
    """
    served = served_model(model)
    if served is None or SEALS_EVERY_UPDATE or not served.is_loaded or served.is_updating:
        return
    served.seal_again(model)


def update_from_disk(update: Callable[..., Any], updater: Any, *args: Any, **kwargs: Any) -> Any:
    """Let SGLang roll a checkpoint that fails back to the one it served.

    It names the new one in its configuration before it reads it, and rolls back to that name
    (sglang #30749; 0.5.6 to 0.5.23).
    """
    model = updater.get_model() if hasattr(updater, "get_model") else updater.model
    served = served_model(model)
    if served is None:
        return update(updater, *args, **kwargs)
    config = updater.model_config
    path = config.model_path

    def name_the_old_one() -> None:
        config.model_path = path

    with served.updating(on_failure=name_the_old_one, is_whole=True):
        succeeded, message, *rest = update(updater, *args, **kwargs)
    if not succeeded:
        name_the_old_one()
    return succeeded, message, *rest


def load_and_postprocess(load: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
    """Say that an update fails before SGLang rolls it back."""
    try:
        return load(model, *args, **kwargs)
    except Exception as error:
        served = served_model(model)
        if served is not None:
            served.update_failed(error)
        raise


def update_from_tensor(update: Callable[..., Any], updater: Any, *args: Any, **kwargs: Any) -> Any:
    """Answer the client where weights are refused."""
    try:
        return update(updater, *args, **kwargs)
    except VerificationError as error:
        return False, _refusal(error)  # which SGLang logs


def end_update(end: Callable[..., Any], manager: Any, request: Any) -> Any:
    """Close the update and answer the client where weights are refused, which all ranks do."""
    from sglang.srt.managers.io_struct import EndWeightUpdateReqOutput

    try:
        return end(manager, request)
    except VerificationError as error:
        logger.error(_refusal(error))
        manager._session = None
        return EndWeightUpdateReqOutput(success=False, message=_refusal(error))


def _refusal(error: VerificationError) -> str:
    return f"engine_ext: update refused: {error}. Other weights of this update may be in place"


def _wrap(target: str, hook: Callable[..., Any]) -> None:
    """Put ``hook(original, *args, **kwargs)`` around a method, by SGLang's own hooks if it has."""
    try:
        from sglang.srt.plugins.hook_registry import HookRegistry, HookType
    except ImportError:  # 0.5.10 and older
        _patch(target, hook)
    else:
        HookRegistry.register(target, hook, HookType.AROUND)
        HookRegistry.apply_hooks()


def _patch(target: str, hook: Callable[..., Any]) -> None:
    owner_name, _, name = target.rpartition(".")
    owner = pkgutil.resolve_name(owner_name)
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return hook(original, *args, **kwargs)

    is_static = isinstance(vars(owner)[name], staticmethod)
    setattr(owner, name, staticmethod(wrapped) if is_static else wrapped)
