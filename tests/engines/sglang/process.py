"""Start one engine, take it through steps, and print what came of each, as JSON.

Started by the tests as a process of its own (tests/engines/sglang/offline.py), because the engine
loads its plugins into it. Reads ``{"family", "model", "settings", "steps": [[verb, ...], ...]}``
from standard input.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from evals.serving.engines import SGLANG
from tests.engines.sglang import asking, weights


def main() -> None:
    run = json.load(sys.stdin)
    os.environ.update(SGLANG.cpu_environ)
    import sglang

    settings = {**SGLANG.cpu_settings, **run["settings"]}
    engine = sglang.Engine(model_path=run["model"], log_level="error", **settings)
    results, before = [], ""
    try:
        for verb, *details in run["steps"]:
            print(f"step {verb} {details}", file=sys.stderr, flush=True)
            if before == "ask" != verb:
                _wait_until_idle(engine)
            before = verb
            results.append(STEPS[verb](engine, run["family"], *details))
    finally:
        engine.shutdown()
        print(json.dumps(results))


def flush(engine: Any, family: str) -> list[Any]:
    """Empty the cache of prefixes, not that of what the tower gave."""
    _wait_until_idle(engine)
    return [True, ""]


def _wait_until_idle(engine: Any) -> None:
    """An update right after a reply fails while the scheduler still counts the request.

    Not to be called before the first reply: SGLang 0.5.9 and older would never answer.
    """
    for _ in range(50):
        if getattr(engine.flush_cache(), "success", True):
            return
        time.sleep(0.1)


STEPS = {
    "ask": asking.ask,
    "outcome": asking.outcome,
    "processed": asking.processed,
    "text": asking.text,
    "flush": flush,
    "buckets": weights.buckets,
    "disk": weights.disk,
    "distributed": weights.distributed,
    "ipc": weights.ipc,
    "masked": weights.masked,
    "memory": weights.memory,
    "one by one": weights.one_by_one,
    "tensor": weights.tensor,
    "twice": weights.twice,
    "zeroed": weights.zeroed,
}

if __name__ == "__main__":
    main()
