"""Start one engine, ask it and update its weights by turns, and print what came of it, as JSON.

Started by the tests as a process of its own, because the engine loads its plugins into it. Reads
``{"model", "steps": [[verb, ...], ...]}`` from standard input.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from evals import checkpoints
from evals.engines import SGLANG


def main() -> None:
    run = json.load(sys.stdin)
    os.environ.update(SGLANG.cpu_environ)
    import sglang

    engine = sglang.Engine(model_path=run["model"], log_level="error", **SGLANG.cpu_settings)
    results = []
    try:
        for verb, *details in run["steps"]:
            print(f"step {verb} {details}", file=sys.stderr, flush=True)
            results.append(STEPS[verb](engine, run["family"], *details))
    finally:
        engine.shutdown()
        print(json.dumps(results))


def ask(engine: Any, family: str, skip: int) -> dict[str, Any]:
    """Greedy replies about two images that nobody has asked about when ``skip`` is new."""
    from transformers import AutoProcessor

    from evals.checkpoints.questions import held_out

    questions = held_out(limit=3 * (skip + 2), side=checkpoints.side(family))
    stills = [question for question in questions if not question.is_video][skip : skip + 2]
    processor = AutoProcessor.from_pretrained(checkpoints.path(family))
    found = {"tokens": [], "logprobs": []}
    for question in stills:
        content = [{"type": "image"}, {"type": "text", "text": question.text}]
        prompt = processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        output = engine.generate(
            prompt,
            {"temperature": 0, "max_new_tokens": 4},
            image_data=question.images,
            return_logprob=True,
        )
        found["tokens"] += output["output_ids"]
        found["logprobs"] += [step[0] for step in output["meta_info"]["output_token_logprobs"]]
    _wait_until_idle(engine)
    return found


def _wait_until_idle(engine: Any) -> None:
    """An update right after a reply fails while the scheduler still counts the request."""
    for _ in range(50):
        if getattr(engine.flush_cache(), "success", True):
            return
        time.sleep(0.1)


def tensor(engine: Any, family: str, load_format: str | None, checkpoint: str) -> list[Any]:
    """Update the projection alone from the tensors of a checkpoint: [succeeded, message]."""
    from safetensors.torch import load_file

    weights = load_file(Path(checkpoint) / "model.safetensors")
    named = [(name, value) for name, value in weights.items() if ".patch_embed.proj." in name]
    if load_format == "direct":  # by the engine's own names
        named = [("visual." + name.partition("visual.")[2], value) for name, value in named]
    has_sessions = hasattr(engine, "begin_weight_update")
    if has_sessions:
        engine.begin_weight_update()
    payload = _bucket(named) if load_format == "flattened_bucket" else named
    result = engine.update_weights_from_tensor(payload, load_format=load_format)
    if has_sessions:
        result = engine.end_weight_update()
    return list(result)


def _bucket(named: list[Any]) -> list[Any]:
    """One serialised flat tensor for each tensor-parallel rank."""
    from sglang.srt.utils import MultiprocessingSerializer

    try:
        from sglang.srt.weight_sync.tensor_bucket import FlattenedTensorBucket
    except ImportError:
        from sglang.srt.model_executor.model_runner import FlattenedTensorBucket
    bucket = FlattenedTensorBucket(named_tensors=named)
    flat = {
        "flattened_tensor": bucket.get_flattened_tensor(),
        "metadata": bucket.get_metadata(),
    }
    return [MultiprocessingSerializer.serialize(flat, output_str=True)]


def disk(engine: Any, family: str, checkpoint: str) -> list[Any]:
    return list(engine.update_weights_from_disk(checkpoint))[:2]


STEPS = {"ask": ask, "tensor": tensor, "disk": disk}

if __name__ == "__main__":
    main()
