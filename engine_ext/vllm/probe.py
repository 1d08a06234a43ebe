"""Load vLLM's plugins as vLLM does and print what came of it, as JSON on the last line.

``doctor`` runs this in a process of its own: importing an engine takes seconds, may initialise
devices, and may fail in ways that end a process.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from engine_ext.installed import LoggedProblems
from engine_ext.interventions import examined

# By name: what is examined here must not be imported, it may be what is broken.
OVERRIDES = "engine_ext.vllm.overrides"


def probe() -> dict[str, Any]:
    """The overrides in vLLM's registry once its plugins are loaded, and what is to stay stock."""
    import vllm
    from vllm import ModelRegistry
    from vllm.plugins import load_general_plugins

    from engine_ext.vllm.architectures import LEFT_STOCK
    from engine_ext.vllm.interventions import INTERVENTIONS

    logged = LoggedProblems()
    logging.getLogger("vllm").addHandler(logged)
    load_general_plugins()
    models = ModelRegistry.models
    return {
        "overrides": sorted(
            name for name, entry in models.items() if getattr(entry, "module_name", "") == OVERRIDES
        ),
        "left_stock": {name: why for name, why in LEFT_STOCK.items() if name in models},
        "interventions": examined(INTERVENTIONS, vllm.__version__),
        "log": logged.lines,
    }


if __name__ == "__main__":
    print(json.dumps(probe()))
