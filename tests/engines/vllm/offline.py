"""Run vLLM engines one after the other in this process and print what they did, as JSON.

Started by the tests as a process of its own: vLLM remembers the class of an architecture for the
life of a process, so extension on and off need one each. Reads a list of runs from standard input:
``{"model", "family", "engine": LLM arguments, "ask", "shards": a folder to save
them in, "then": [actions]}``. An action is a name
(``actions.py``), or ``{"do": name, "as": key of its result, ...its arguments}``.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import traceback
from importlib.util import find_spec
from typing import Any

FORCE_CONV = "FORCE_CONV3D"
"""Environment variable: make vLLM's own layer take the path it takes on a GPU with torch < 2.9.

Without effect where stock is an ``nn.Conv3d``.
"""


def main() -> None:
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    if FORCE_CONV in os.environ and find_spec("vllm.model_executor.layers.conv"):
        from vllm.model_executor.layers.conv import Conv3dLayer

        Conv3dLayer._forward_mulmat = Conv3dLayer._forward_conv
    from tests.engines.vllm.actions import causes

    results = []
    for number, run in enumerate(json.load(sys.stdin), start=1):
        print(f"run {number}: {run['model']} {run.get('engine', {})}", file=sys.stderr, flush=True)
        started = time.monotonic()
        try:
            results.append(serve(run))
        except Exception as error:
            traceback.print_exc()
            results.append({"error": causes(error)})
        results[-1]["seconds"] = round(time.monotonic() - started, 1)
        print(f"run {number}: {results[-1]['seconds']} s", file=sys.stderr, flush=True)
    print(json.dumps(results))


def serve(run: dict[str, Any]) -> dict[str, Any]:
    from vllm import LLM

    from evals.engines import VLLM
    from tests.engines import injection
    from tests.engines.limits import settings
    from tests.engines.vllm.actions import act, every_rank, replies
    from tests.engines.vllm.shards import saved_before_packing

    if "fault" in run:
        injection.activate(run["fault"])
    arguments = {**VLLM.cpu_settings, **settings(run["family"]), **run.get("engine", {})}
    with saved_before_packing(run.get("shards")):
        llm = LLM(model=run["model"], **arguments)
    try:
        result: dict[str, Any] = {"replies": replies(llm, run)} if run.get("ask", True) else {}
        result["ranks"] = every_rank(llm)
        result["modules"] = result["ranks"][0]
        for action in run.get("then", []):
            given = {"do": action} if isinstance(action, str) else dict(action)
            name = given.pop("do")
            key = given.pop("as", name)
            result[key] = act(name, llm, run, **given)
    finally:
        llm.llm_engine.engine_core.shutdown()
        del llm
        gc.collect()
    return result


if __name__ == "__main__":
    main()
