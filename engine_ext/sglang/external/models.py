"""The overrides of the installed SGLang's own classes, as its registry wants them: a list."""

from __future__ import annotations

from engine_ext.sglang.plugin import active_features


def _overrides() -> list[type]:
    if not {"linear", "pixels"} & set(active_features()):
        return []
    # SGLang imports this module from its registry, which by then has defined these two names.
    from sglang.srt.models.registry import ModelRegistry, import_model_classes

    from engine_ext.sglang.architectures import ARCHITECTURES
    from engine_ext.sglang.overrides import overrides

    # From 0.5.21 on the registry imports the engine's own models after an external package;
    # called as there (an argument by position), the result is cached for it.
    stock = ModelRegistry.models or import_model_classes("sglang.srt.models")
    return list(overrides(stock, ARCHITECTURES).values())


EntryClass = _overrides()
