"""The entry point SGLang calls in each of its processes (group ``sglang.srt.plugins``)."""

from __future__ import annotations

import os
from typing import Any

from engine_ext import status
from engine_ext.features import UnknownFeature
from engine_ext.sglang.log import logger
from engine_ext.sglang.versions import (
    EXTERNAL_PACKAGE,
    EXTERNAL_VARIABLE,
    PROCESSOR_PACKAGE,
    PROCESSORS_VARIABLE,
)

SETS_UP_LOG = "sglang.srt.utils.configure_logger"
RESOLVES_A_MODEL = "sglang.srt.model_loader.utils.get_model_architecture"
"""Every model class SGLang builds is resolved here, 0.5.11 to 0.5.23.

The hook makes the overrides when the registry has been imported anyway. Registering them from the
entry point would import every model (2 s, 600 modules) in processes that hold none.
"""


def register() -> None:
    """Hook what the features that are on need. Idempotent; imports no model, initialises no device.

    Raises:
        SystemExit: ``ENGINE_EXT`` holds an unknown word.
    """
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    from engine_ext.sglang import features as said

    features = active_features()
    status.begin()
    if not features:
        return
    _reach_processes_without_plugins()
    if not said.is_read:  # the main process and the detokenizer set up their log later
        HookRegistry.register(SETS_UP_LOG, after_log, HookType.AFTER)
    if {"linear", "pixels"} & set(features):
        HookRegistry.register(RESOLVES_A_MODEL, resolve_to_override, HookType.AFTER)
    if "mrope" in features:
        _compute_positions()
    from engine_ext.sglang import pixels

    pixels.hook()


def _reach_processes_without_plugins() -> None:
    """Name the packages that SGLang imports where it loads no plugins.

    The ranks of an encoder other than the first, and the workers of several tokenizers, inherit the
    variables. A package that the launch has named stays.
    """
    os.environ.setdefault(EXTERNAL_VARIABLE, EXTERNAL_PACKAGE)
    os.environ.setdefault(PROCESSORS_VARIABLE, PROCESSOR_PACKAGE)


def active_features() -> tuple[str, ...]:
    """The features that are on; says in the log which, and why others are not.

    Raises:
        SystemExit: ``ENGINE_EXT`` holds an unknown word. SGLang catches other exceptions and goes
            on; an operator who mistyped it must not be served stock in silence.
    """
    from engine_ext.sglang.features import features, say

    try:
        say()
        return features()
    except UnknownFeature as error:
        raise SystemExit(f"engine_ext: {error}") from None


def after_log(*_args: Any, **_kwargs: Any) -> None:
    """After ``configure_logger``: say what nobody could read before."""
    from engine_ext.sglang.features import say

    say()


def _compute_positions() -> None:
    try:
        from engine_ext.sglang import positions

        positions.hook()
    except Exception:
        # Requests are served by SGLang's functions; without this line nobody would know.
        logger.exception("engine_ext: cannot compute rope positions, left to SGLang")


def resolve_to_override(resolved: Any, *_args: Any, **_kwargs: Any) -> Any:
    """After ``get_model_architecture``: the override of the class it found, if there is one.

    Args:
        resolved: (class, architecture).

    Returns:
        The same with the override as class; None to leave the result as it is.
    """
    try:
        from sglang.srt.models.registry import ModelRegistry

        from engine_ext.sglang.architectures import ARCHITECTURES
        from engine_ext.sglang.overrides import is_override, register_overrides

        model_class, architecture = resolved
        register_overrides(ModelRegistry, ARCHITECTURES)
        found = ModelRegistry.models.get(architecture)
        # Another plugin may have put a class of its own here.
        ours = is_override(found) and issubclass(found, model_class)
        return (found, architecture) if ours else None
    except Exception:
        # The engine goes on with stock either way; without this line nobody would know.
        logger.exception("engine_ext: cannot override a model, left stock")
        return None
