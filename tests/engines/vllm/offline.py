"""Run vLLM engines one after the other in this process, and say what each did.

Started by the tests (process.py) as a process of its own. Reads a run a line from standard input
and answers with a line of JSON on standard output. A run is ``{"model", "family", "engine": LLM
arguments, "ask": whether, or which conversations, "shards": a folder to save them in, "convolve":
whether vLLM's own layer does, "default": whether no feature is named, "fault": a deliberate one,
"then": [actions], "status": where status lines go}``. An action is a name (actions.py), or
``{"do": name, "as": key of its result, ...its arguments}``.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import traceback
from contextlib import ExitStack
from typing import Any

from engine_ext import status


def main() -> None:
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever prints, prints to the log
    from tests.engines.vllm.actions import causes

    inspect_models_in_this_process()
    for line in sys.stdin:
        run = json.loads(line)
        print(f"run: {line}", file=sys.stderr, flush=True)
        os.environ[status.VARIABLE] = run["status"]
        started = time.monotonic()
        try:
            result = serve(run)
        except Exception as error:
            traceback.print_exc()
            result = {"error": causes(error)}
        result["seconds"] = round(time.monotonic() - started, 1)
        print(f"run: {result['seconds']} s", file=sys.stderr, flush=True)
        print(json.dumps(result), file=answers, flush=True)
        gc.collect()


def inspect_models_in_this_process() -> None:
    """vLLM starts a process of 10 s for each class that it has no notes of, to keep off CUDA.

    That it finds overrides there is for test_registry.py and for servers.
    """
    from vllm.model_executor.models import registry

    registry._run_in_subprocess = lambda inspect: inspect()


def serve(run: dict[str, Any]) -> dict[str, Any]:
    from vllm import LLM

    from evals.serving.engines import VLLM
    from tests.engines.injection import injected
    from tests.engines.limits import settings
    from tests.engines.vllm import conditions
    from tests.engines.vllm.actions import act, every_rank, replies

    arguments = {**VLLM.cpu_settings, **settings(run["family"]), **run.get("engine", {})}
    with ExitStack() as stack:
        convolutions = stack.enter_context(conditions.convolving(run.get("convolve", False)))
        stack.enter_context(conditions.by_default(run.get("default", False)))
        stack.enter_context(injected(run.get("fault", "")))
        with conditions.saving_shards(run.get("shards")):
            llm = LLM(model=run["model"], **arguments)
        convolutions.clear()  # what answers are made of counts, not what was asked when loading
        try:
            result: dict[str, Any] = {}
            if asked := run.get("ask", True):
                only = () if asked is True else asked
                result["replies"] = replies(llm, run["family"], only=only)
            result["ranks"] = every_rank(llm)
            result["modules"] = result["ranks"][0]
            for action in run.get("then", []):
                given = {"do": action} if isinstance(action, str) else dict(action)
                name = given.pop("do")
                key = given.pop("as", name)
                result[key] = act(name, llm, run["family"], **given)
        finally:
            llm.llm_engine.engine_core.shutdown()
            del llm
            gc.collect()
    return {**result, "convolutions": len(convolutions)}


if __name__ == "__main__":
    main()
