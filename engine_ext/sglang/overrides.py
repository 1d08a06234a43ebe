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

from engine_ext.features import is_named
from engine_ext.replacement import Identity, Replacement, check_loaded
from engine_ext.sglang.features import features
from engine_ext.sglang.log import logger
from engine_ext.sglang.restoring import restored

STOCK_MODELS = "sglang.srt.models."
FEATURES = ("get_image_feature", "get_video_feature")
"""Methods of models that take items."""


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
    logger.warning("engine_ext: %s is a class of another package, left alone", architecture)


@functools.cache
def _override(stock: type[nn.Module], architecture: str) -> type[nn.Module]:
    """The override of ``stock``: the same class at every call, with the signature of ``stock``."""

    @functools.wraps(stock.__init__)
    def construct(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        stock.__init__(self, *args, **kwargs)
        config = kwargs["config"] if "config" in kwargs else next(iter(args), None)
        identity = Identity("sglang", sglang.__version__, architecture, features())
        Replacement(
            *(self, conv_types(), identity, logger),
            everywhere=is_named("linear"),
            why_not=_why_nothing_is_replaced(config),
        )

    def train(self: nn.Module, mode: bool = True) -> nn.Module:
        # Every loader of SGLang ends by model.eval(), which is this (0.5.6 to 0.5.23), but for
        # that of GGUF files, which hold no tower.
        if not mode:
            check_loaded(self)
        return stock.train(self, mode)

    def taking_pixels(name: str) -> Any:
        @functools.wraps(getattr(stock, name))
        def feature(self: Any, items: Any, *args: Any, **kwargs: Any) -> Any:
            stock_s = getattr(super(override, self), name)
            return stock_s(restored(items, self), *args, **kwargs)

        return feature

    # SGLang finds processors, and its registry an architecture, by the name of the class.
    override: type[nn.Module] = type(
        stock.__name__,
        (stock,),
        {
            "__init__": construct,
            "train": train,
            "__module__": __name__,
            "__doc__": stock.__doc__,
            **{name: taking_pixels(name) for name in FEATURES if hasattr(stock, name)},
        },
    )
    return override


def _why_nothing_is_replaced(config: Any) -> str:
    if is_for_text_alone(config):
        return "it is for text alone"
    return "" if "linear" in features() else "linear is off (ENGINE_EXT)"


def is_for_text_alone(config: Any) -> bool:
    """Whether a model has no tower, or one that serves nothing and may have no weights.

    Args:
        config: of the model, in which SGLang notes what a launch says (``--language-only``,
            ``--language-model-only``) beside what the checkpoint does.
    """
    return any(getattr(config, said, False) for said in ("language_only", "language_model_only"))


def conv_types() -> tuple[type[nn.Module], ...]:
    """The layers by which SGLang's models compute a 3-D convolution."""
    try:
        from sglang.srt.layers.conv import Conv3dLayer
    except ImportError:  # SGLang 0.5.9 and older use nn.Conv3d throughout
        return (nn.Conv3d,)
    return (nn.Conv3d, Conv3dLayer)
