"""One override for every architecture: the engine's own class, with its projections replaced.

``ModelRegistry`` resolves ``engine_ext.vllm.overrides:<name>`` when a model is inspected or built,
so the classes are made on demand by ``__getattr__`` and no model is imported before.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import vllm
from torch import nn

from engine_ext import status
from engine_ext.features import is_named, why_off
from engine_ext.replacement import Identity, Replacement, check_loaded
from engine_ext.vllm.features import features, say
from engine_ext.vllm.log import logger
from engine_ext.vllm.receiving import expect_pixels, take_pixels
from engine_ext.vllm.sending import say_as_before, send_pixels
from engine_ext.vllm.versions import TRIED

OF_TRANSFORMERS = "Transformers"
"""How architectures of vLLM's backend of transformers begin, which takes whatever comes."""
_stock: dict[str, tuple[str, str]] = {}
"""Architecture: (module, class) of the engine, as its registry had it before the override."""

# vLLM caches what it inspects of a class under the name of the class and the hash of the file that
# defines it (registry.py, _LazyRegisteredModel). That file is this one for every override, so the
# name carries the engine's version: an upgraded vLLM must not read what an older one found.
_SUFFIX = "__vllm_" + re.sub(r"\W", "_", vllm.__version__)


def register_overrides(registry: Any, architectures: Iterable[str]) -> list[str]:
    """Override each architecture that the registry holds as the engine's own; idempotent.

    Args:
        registry: vLLM's ``ModelRegistry``.

    Returns:
        The architectures that now resolve to an override.
    """
    overridden = []
    for architecture in sorted(registry.get_supported_archs() & set(architectures)):
        entry = registry.models[architecture]
        module = getattr(entry, "module_name", "")
        if module != __name__:
            if not module.startswith("vllm."):
                logger.warning(
                    "engine_ext: %s is a class of another plugin, left alone", architecture
                )
                continue
            _stock[architecture] = (module, entry.class_name)
            registry.register_model(architecture, f"{__name__}:{architecture}{_SUFFIX}")
        overridden.append(architecture)
    return overridden


def __getattr__(name: str) -> type[nn.Module]:
    architecture = name.removesuffix(_SUFFIX)
    if architecture == name or architecture not in _stock:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    say()
    module, class_name = _stock[architecture]
    stock = getattr(import_module(module), class_name)
    override = globals()[name] = _override(stock, architecture, name)
    return override


def _override(stock: type[nn.Module], architecture: str, name: str) -> type[nn.Module]:
    parameters = inspect.signature(stock.__init__).parameters
    if not {"vllm_config", "prefix"} <= parameters.keys():
        logger.error(
            "engine_ext: %s takes %s, expected vllm_config and prefix: left stock",
            stock.__qualname__,
            list(parameters),
        )
        return stock

    class Override(stock):  # type: ignore[misc, valid-type]
        # The arguments are named because vLLM reads the signature (initialize_model).
        def __init__(self, *, vllm_config: Any, prefix: str = "") -> None:
            super().__init__(vllm_config=vllm_config, prefix=prefix)
            # Here, because vLLM records the modules of a model right after its ``__init__``, and
            # a reload restores those.
            identity = Identity(
                *("vllm", vllm.__version__, architecture, features()),
                *_place(vllm_config.parallel_config),
            )
            Replacement(
                *(self, conv_types(), identity, logger),
                everywhere=is_named("linear"),
                why_not="" if "linear" in features() else "linear is off (ENGINE_EXT)",
            )
            expect_pixels(self, vllm_config.model_config.hf_config)

        def train(self, mode: bool = True) -> Any:
            if not mode:  # every loader of vLLM ends by model.eval() (0.11 to 0.33)
                check_loaded(self)
            return super().train(mode)

    Override.__name__ = stock.__name__
    Override.__qualname__ = name
    Override.__module__ = __name__
    Override.__doc__ = stock.__doc__
    take_pixels(Override)
    why_not = why_off("vllm", vllm.__version__, TRIED).get("pixels")
    if why_not is None and architecture.startswith(OF_TRANSFORMERS):
        why_not = "the model is of transformers' backend"
    try:
        if why_not is None:
            send_pixels(Override)
        elif os.environ.get(status.VARIABLE) and hasattr(Override, "_processor_factory"):
            say_as_before(Override, why_not)
    except Exception:
        logger.exception("engine_ext: images and videos are sent as before")
    return Override


def _place(parallel: Any) -> tuple[int, dict[str, int]]:
    """Which data-parallel engine this is, and the processes of it on this node, of its senders."""
    part, models, senders = (
        getattr(parallel, name, default)
        for name, default in (
            ("data_parallel_index", 0),
            ("local_world_size", getattr(parallel, "world_size", 1)),
            ("_api_process_count", 1),
        )
    )
    return part, {"models": models, "senders": senders}


def conv_types() -> tuple[type[nn.Module], ...]:
    """The layers by which vLLM's models compute a 3-D convolution."""
    try:
        from vllm.model_executor.layers.conv import Conv3dLayer
    except ImportError:  # vLLM 0.11.0 uses nn.Conv3d throughout
        return (nn.Conv3d,)
    return (nn.Conv3d, Conv3dLayer)
