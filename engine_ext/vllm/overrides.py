"""One override for every architecture: the engine's own class, with its projections replaced.

``ModelRegistry`` resolves ``engine_ext.vllm.overrides:<name>`` when a model is inspected or built,
so the classes are made on demand by ``__getattr__`` and no model is imported before.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import vllm
from torch import nn

from engine_ext.served import Identity, ServedModel, Stills, served_model, tensor_parallel_peers
from engine_ext.vllm import pixels
from engine_ext.vllm.features import features
from engine_ext.vllm.log import logger

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
                    "engine_ext: %s is served by another plugin, left alone", architecture
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
            replace_projections(self, architecture, vllm_config)

        def load_weights(self, weights: Any, *args: Any, **kwargs: Any) -> Any:
            served = served_model(self)
            if served is None:
                return super().load_weights(weights, *args, **kwargs)
            loaded = super().load_weights(served.delivering(weights), *args, **kwargs)
            after_load_weights(self, served)
            return loaded

    Override.__name__ = stock.__name__
    Override.__qualname__ = name
    Override.__module__ = __name__
    Override.__doc__ = stock.__doc__
    if _takes_pixels(architecture):
        factory: Any = stock._processor_factory  # type: ignore[attr-defined]
        Override._processor_factory = pixels.factories(factory)
    return Override


def _takes_pixels(architecture: str) -> bool:
    return "pixels" in features() and architecture in pixels.ARCHITECTURES


def after_load_weights(model: nn.Module, served: ServedModel) -> None:
    """Seal a running model that was handed weights directly: vLLM calls no hook then.

    Raises:
        VerificationError: weights that must not serve.
    """
    projections = [model.get_submodule(name) for name in served.names]
    # Inside a reload layers wait on the meta device, and the hook is called for each.
    in_reload = any(p.is_meta for projection in projections for p in projection.parameters())
    if served.is_loaded and not served.is_updating and not in_reload:
        served.seal_again(model)


def replace_projections(model: nn.Module, architecture: str, vllm_config: Any) -> ServedModel:
    """Replace the projections of a model that vLLM has just constructed.

    vLLM records the modules of a model right after its ``__init__`` (reload restores those), so
    the swap is made inside it, before any weight is read.
    """
    from vllm.distributed import parallel_state

    from engine_ext.vllm.sealing import SealAfterLoading, conv_types
    from engine_ext.vllm.updates import guard_reloads

    identity = Identity("vllm", vllm.__version__, architecture, features())
    peers = tensor_parallel_peers(parallel_state, architecture)
    stills = None
    if _takes_pixels(architecture) and (normal := pixels.normalisation(vllm_config)) is not None:
        stills = Stills(normal)
    served = ServedModel(model, conv_types(), identity, logger, peers, stills)
    if stills is not None:
        pixels.bypass_normalising(model)
    for name in served.names:
        model.get_submodule(name).quant_method = SealAfterLoading(served, name)
    guard_reloads()
    return served
