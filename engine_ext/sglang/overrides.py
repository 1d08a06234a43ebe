"""One override for every architecture: the engine's own class, with its projections replaced.

Both ways into SGLang's registry end here: the plugin (``engine_ext.sglang.plugin``) and the
external model package (``engine_ext.sglang.external``).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import sglang
from torch import nn

from engine_ext.served import Identity, ServedModel, Stills, served_model, tensor_parallel_peers
from engine_ext.sglang import pixels, raw_features
from engine_ext.sglang.features import features
from engine_ext.sglang.log import logger
from engine_ext.sglang.sealing import SealAfterLoading, conv_types
from engine_ext.sglang.torchao import leave_projections_out
from engine_ext.sglang.updates import after_load_weights, guard_updates

STOCK_MODELS = "sglang.srt.models."


def register_overrides(registry: Any, architectures: Iterable[str]) -> None:
    """Override each architecture that the registry holds as the engine's own; idempotent.

    Args:
        registry: SGLang's ``ModelRegistry``. Nothing is imported that it has not imported: what it
            holds so far is overridden.
    """
    registry.models.update(overrides(registry.models, architectures))


def overrides(models: Mapping[str, Any], architectures: Iterable[str]) -> dict[str, type]:
    """An override for each of ``architectures`` that ``models`` holds as the engine's own class.

    Args:
        models: architecture to class, as SGLang's registry holds them.
    """
    found = {}
    for architecture in sorted(models.keys() & set(architectures)):
        stock = models[architecture]
        if is_override(stock):
            continue
        if not getattr(stock, "__module__", "").startswith(STOCK_MODELS):
            _say_that_it_is_anothers(architecture)
        else:
            found[architecture] = _override(stock, architecture)
    return found


def is_override(model_class: Any) -> bool:
    return getattr(model_class, "__module__", None) == __name__


@functools.cache
def _say_that_it_is_anothers(architecture: str) -> None:
    logger.warning("engine_ext: %s is served by another package, left alone", architecture)


@functools.cache
def _override(stock: type[nn.Module], architecture: str) -> type[nn.Module]:
    """The override of ``stock``: the same class at every call, with the signature of ``stock``."""

    @functools.wraps(stock.__init__)
    def construct(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        stock.__init__(self, *args, **kwargs)
        config = kwargs["config"] if "config" in kwargs else next(iter(args), None)
        if getattr(config, "language_only", False):
            # Its tower serves nothing, and its checkpoint may hold no weights for it.
            logger.info("engine_ext: %s: launched for language only, left stock", architecture)
            return
        replace_projections(self, architecture)

    def train(self: nn.Module, mode: bool = True) -> nn.Module:
        # Every loader of SGLang ends by model.eval(), which is this (0.5.6 to 0.5.23).
        if not mode and (served := served_model(self)) is not None:
            served.seal_the_rest(self)
        return stock.train(self, mode)

    def load_weights(self: Any, weights: Any, *args: Any, **kwargs: Any) -> Any:
        if (served := served_model(self)) is not None:
            weights = served.delivering(weights)
        result = super(override, self).load_weights(weights, *args, **kwargs)
        after_load_weights(self)
        return result

    def get_image_feature(self: Any, items: Any) -> Any:
        return raw_features.image_features(self, super(override, self).get_image_feature, items)

    def get_video_feature(self: Any, items: Any) -> Any:
        return raw_features.video_features(self, super(override, self).get_video_feature, items)

    raw = {"get_image_feature": get_image_feature, "get_video_feature": get_video_feature}

    # SGLang finds processors, and its registry an architecture, by the name of the class.
    override: type[nn.Module] = type(
        stock.__name__,
        (stock,),
        {
            "__init__": construct,
            "train": train,
            "load_weights": load_weights,
            "__module__": __name__,
            "__doc__": stock.__doc__,
            **(raw if _takes_pixels(architecture) else {}),
        },
    )
    return override


def _takes_pixels(architecture: str) -> bool:
    is_on = "pixels" in features() and architecture in pixels.ARCHITECTURES
    return is_on and pixels.are_possible()


def replace_projections(model: nn.Module, architecture: str) -> ServedModel:
    """Replace the projections of a model that SGLang has just constructed, before it is loaded."""
    from sglang.srt.distributed import parallel_state

    identity = Identity("sglang", sglang.__version__, architecture, features())
    peers = tensor_parallel_peers(parallel_state, architecture)
    stills = None
    if _takes_pixels(architecture) and (found := raw_features.of_stills()) is not None:
        stills = Stills(found)
        raw_features.expect_clips(model)
    served = ServedModel(model, conv_types(), identity, logger, peers, stills)
    for name in served.names:
        projection: Any = model.get_submodule(name)
        projection.quant_method = SealAfterLoading(served, name)
    guard_updates()
    leave_projections_out()
    return served
