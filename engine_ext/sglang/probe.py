"""Resolve a model as SGLang does and print what came of it, as JSON on the last line.

``doctor`` runs this in a process of its own.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from engine_ext.installed import ENTRY_POINT, LoggedProblems
from engine_ext.interventions import examined

# By name: what is examined here must not be imported, it may be what is broken.
OVERRIDES = "engine_ext.sglang.overrides"
EVERY_VERSION_HAS = "Qwen2VLForConditionalGeneration"


def probe() -> dict[str, Any]:
    """The overrides in SGLang's registry once a model is resolved, and what they miss."""
    logged = LoggedProblems((ENTRY_POINT, "get_model_architecture"))
    logging.getLogger().addHandler(logged)

    import sglang

    try:
        from sglang.srt.plugins import load_plugins
    except ImportError:  # 0.5.10 and older
        pass
    else:
        load_plugins()
    from sglang.srt.configs.model_config import ModelImpl
    from sglang.srt.model_loader import utils
    from sglang.srt.models.registry import ModelRegistry, import_model_classes

    from engine_ext.sglang.coverage import missing_overrides
    from engine_ext.sglang.features import features
    from engine_ext.sglang.interventions import INTERVENTIONS

    config = SimpleNamespace(
        hf_config=SimpleNamespace(architectures=[EVERY_VERSION_HAS]),
        model_impl=ModelImpl.AUTO,
        quantization=None,
    )
    utils.get_model_architecture(config)
    stock = import_model_classes("sglang.srt.models")
    registry = {name: (found.__module__, found.__name__) for name, found in stock.items()}
    return {
        "overridden": sorted(
            n for n, c in ModelRegistry.models.items() if c.__module__ == OVERRIDES
        ),
        "not_covered": missing_overrides(registry, Path(next(iter(sglang.__path__)))),
        "features": features(),
        "interventions": examined(INTERVENTIONS, sglang.__version__),
        "log": logged.lines,
    }


if __name__ == "__main__":
    print(json.dumps(probe()))
