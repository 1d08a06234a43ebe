"""Resolve a model as SGLang does and print what came of it, as JSON on the last line.

``doctor`` runs this in a process of its own.
"""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace
from typing import Any

from engine_ext.installed import ENTRY_POINT, LoggedProblems
from engine_ext.interventions import examined

# By name: what is examined here must not be imported, it may be what is broken.
OVERRIDES = "engine_ext.sglang.overrides"
EVERY_VERSION_HAS = "Qwen2VLForConditionalGeneration"


def probe() -> dict[str, Any]:
    """The overrides in SGLang's registry once a model is resolved, and what is to stay stock."""
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

    from engine_ext.sglang.architectures import LEFT_STOCK
    from engine_ext.sglang.interventions import INTERVENTIONS

    config = SimpleNamespace(
        hf_config=SimpleNamespace(architectures=[EVERY_VERSION_HAS]),
        model_impl=ModelImpl.AUTO,
        quantization=None,
    )
    utils.get_model_architecture(config)
    models = ModelRegistry.models
    stock = import_model_classes("sglang.srt.models")  # the registry may hold overrides alone
    return {
        "overrides": sorted(
            name for name, found in models.items() if found.__module__ == OVERRIDES
        ),
        "left_stock": {name: why for name, why in LEFT_STOCK.items() if name in stock},
        "interventions": examined(INTERVENTIONS, sglang.__version__),
        "log": logged.lines,
    }


if __name__ == "__main__":
    print(json.dumps(probe()))
