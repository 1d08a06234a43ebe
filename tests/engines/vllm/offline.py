"""Run vLLM engines one after the other in this process and print what they did, as JSON.

Started by the tests as a process of its own: vLLM remembers the class of an architecture for the
life of a process, so extension on and off need one each. Reads a list of runs from standard input:
``{"model", "family", "engine": LLM arguments, "then": [actions]}``.
"""

from __future__ import annotations

import gc
import inspect
import json
import os
import sys
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
    results = []
    for number, run in enumerate(json.load(sys.stdin), start=1):
        print(f"run {number}: {run['model']} {run.get('engine', {})}", file=sys.stderr, flush=True)
        try:
            results.append(serve(run))
        except Exception as error:
            results.append({"error": "\n".join(_causes(error))})
    print(json.dumps(results))


def serve(run: dict[str, Any]) -> dict[str, Any]:
    from vllm import LLM

    from evals.engines import VLLM
    from tests.engines.describe import describe
    from tests.engines.limits import settings

    arguments = {**VLLM.cpu_settings, **settings(run["family"]), **run.get("engine", {})}
    llm = LLM(model=run["model"], **arguments)
    result: dict[str, Any] = {"replies": replies(llm, run)} if run.get("ask", True) else {}
    result["modules"] = llm.apply_model(describe)[0]
    for action in run.get("then", []):
        result[action] = ACTIONS[action](llm, run)
    llm.llm_engine.engine_core.shutdown()
    del llm
    gc.collect()
    return result


def replies(llm: Any, run: dict[str, Any], skip: int = 0) -> dict[str, Any]:
    """Greedy replies to an image, two images, a text and a clip: tokens and log-probabilities."""
    from vllm import SamplingParams

    from tests.engines.limits import serves_video
    from tests.engines.requests import conversations

    sampling = SamplingParams(temperature=0, max_tokens=8, logprobs=0, seed=0)
    found = {}
    family = run["family"]
    for name, content in conversations(family, skip, serves_video(family)).items():
        messages = [{"role": "user", "content": content}]
        (output,) = llm.chat(messages, sampling, use_tqdm=False)[0].outputs
        steps = zip(output.token_ids, output.logprobs, strict=True)
        found[name] = {
            "tokens": list(output.token_ids),
            "logprobs": [step[token].logprob for token, step in steps],
        }
    return found


def spoil(model: Any) -> None:
    import torch

    from engine_ext.patch_embed import PatchLinear

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, PatchLinear):
                module.weight.fill_(7.0)


def reload(llm: Any, run: dict[str, Any]) -> dict[str, Any]:
    """Overwrite the projection, let vLLM reload the checkpoint, and ask about images not cached."""
    llm.apply_model(spoil)
    llm.collective_rpc("reload_weights")
    return replies(llm, run, skip=12)


def reload_damaged(llm: Any, run: dict[str, Any]) -> dict[str, Any]:
    """Reload a damaged checkpoint, and ask about images not cached whatever comes of it."""
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    if "weights_path" not in inspect.signature(GPUModelRunner.reload_weights).parameters:
        return {"error": None, "replies": None}
    error = None
    try:
        llm.collective_rpc("reload_weights", kwargs={"weights_path": run["damaged"]})
    except Exception as refused:
        error = "\n".join(_causes(refused))
    return {"error": error, "replies": replies(llm, run, skip=24)}


def ask_others(llm: Any, run: dict[str, Any]) -> dict[str, Any]:
    return replies(llm, run, skip=12)


def ask_more(llm: Any, run: dict[str, Any]) -> dict[str, Any]:
    return replies(llm, run, skip=24)


ACTIONS = {
    "reload": reload,
    "reload_damaged": reload_damaged,
    "ask_others": ask_others,
    "ask_more": ask_more,
}


def _causes(error: BaseException | None) -> list[str]:
    lines = []
    while error is not None:
        lines.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return lines


if __name__ == "__main__":
    main()
