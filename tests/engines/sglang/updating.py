"""Start one engine, ask it and update its weights by turns, and print what came of it, as JSON.

Started by the tests as a process of its own (tests/engines/sglang/offline.py), because the engine
loads its plugins into it. Reads ``{"family", "model", "settings", "steps": [[verb, ...], ...]}``
from standard input.
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
from tests.engines.sglang.trainer import Trainer


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


def ask(engine: Any, family: str, skip: int) -> dict[str, Any]:
    """Greedy replies about two images that nobody has asked about when ``skip`` is new."""
    from transformers import AutoProcessor

    from evals.checkpoints.questions import held_out

    questions = held_out(limit=3 * (skip + 2), side=checkpoints.side(family))
    stills = [question for question in questions if not question.is_video][skip : skip + 2]
    processor = AutoProcessor.from_pretrained(checkpoints.path(family))
    found: dict[str, Any] = {"tokens": [], "logprobs": [], "cached": 0}
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
        found["cached"] += output["meta_info"]["cached_tokens"]
    return found


def processed(engine: Any, family: str, kind: str) -> dict[str, Any]:
    """The reply about an image that the client has processed itself, or the error it gets.

    Args:
        kind: ``normalised`` and ``raw`` are what a processor gives; others are nothing of the kind.
    """
    import torch
    from engine_ext.patch_embed.pixels import give_pixels
    from transformers import AutoProcessor

    from evals.checkpoints.questions import held_out

    question = next(q for q in held_out(limit=12, side=checkpoints.side(family)) if not q.is_video)
    processor = AutoProcessor.from_pretrained(checkpoints.path(family))
    content = [{"type": "image"}, {"type": "text", "text": question.text}]
    prompt = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    if kind == "raw":
        give_pixels(processor.image_processor)
    given = dict(processor(text=[prompt], images=question.images, return_tensors="pt"))
    rows = given["pixel_values"]
    given["pixel_values"] = {
        "half as wide": rows[:, : rows.shape[1] // 2],
        "whole numbers": rows.to(torch.uint8),
        "of three dimensions": rows[None],
    }.get(kind, rows)
    try:
        output = engine.generate(
            input_ids=given["input_ids"][0].tolist(),
            sampling_params={"temperature": 0, "max_new_tokens": 4},
            image_data=[{**given, "format": "processor_output"}],
            return_logprob=True,
        )
    except ValueError as error:
        return {"error": str(error)}
    return {
        "tokens": [processor.tokenizer.decode([token]) for token in output["output_ids"]],
        "logprobs": [step[0] for step in output["meta_info"]["output_token_logprobs"]],
        "prompt tokens": output["meta_info"]["prompt_tokens"],
    }


def _wait_until_idle(engine: Any) -> None:
    """An update right after a reply fails while the scheduler still counts the request.

    Not to be called before the first reply: SGLang 0.5.9 and older would never answer.
    """
    for _ in range(50):
        if getattr(engine.flush_cache(), "success", True):
            return
        time.sleep(0.1)


def tensor(engine: Any, family: str, load_format: str | None, checkpoint: str) -> list[Any]:
    """Update the projection alone from the tensors of a checkpoint: [succeeded, message]."""
    named = _projection(checkpoint)
    if load_format == "direct":  # by the engine's own names
        named = [("visual." + name.partition("visual.")[2], value) for name, value in named]
    payload = _serialised_bucket(named) if load_format == "flattened_bucket" else named
    return _in_a_session(
        engine, lambda: engine.update_weights_from_tensor(payload, load_format=load_format)
    )


def distributed(engine: Any, family: str, load_format: str | None, checkpoint: str) -> list[Any]:
    """Update the projection alone by a broadcast from a trainer's group: [succeeded, message]."""
    named = _projection(checkpoint)
    ranks = getattr(engine, "server_args", None)
    with Trainer(engine, ranks=ranks.tp_size if ranks else 1) as trainer:
        return _in_a_session(engine, lambda: trainer.update(named, load_format))


def disk(engine: Any, family: str, checkpoint: str) -> list[Any]:
    return list(engine.update_weights_from_disk(checkpoint))[:2]


def ipc(engine: Any, family: str) -> list[Any]:
    """Update by the checkpoint engine, from a socket where nobody sends."""
    return list(engine.update_weights_from_ipc({"none": "ipc:///nobody"}))[:2]


def fault(engine: Any, family: str, name: str) -> list[Any]:
    """Let a deliberate fault act from now on; no name, none (tests/engines/injection.py)."""
    from tests.engines import injection

    injection.activate(name)
    return [True, ""]


def flush(engine: Any, family: str) -> list[Any]:
    """Empty the cache of prefixes, not that of what the tower gave."""
    _wait_until_idle(engine)
    return [True, ""]


def memory(engine: Any, family: str) -> list[Any]:
    """Release the memory of weights and cache, and take it again."""
    engine.release_memory_occupation()
    engine.resume_memory_occupation()
    return [True, ""]


def _projection(checkpoint: str) -> list[Any]:
    from safetensors.torch import load_file

    weights = load_file(Path(checkpoint) / "model.safetensors")
    return [(name, value) for name, value in weights.items() if ".patch_embed.proj." in name]


def _in_a_session(engine: Any, update: Any) -> list[Any]:
    """Newer SGLang frames an update by calls of its own, and may refuse it in the last one."""
    if not hasattr(engine, "begin_weight_update"):
        return list(update())
    engine.begin_weight_update()
    succeeded, message = update()
    ended, last = engine.end_weight_update()
    return [succeeded and ended, last if succeeded else message]


def _serialised_bucket(named: list[Any]) -> list[Any]:
    """One serialised flat tensor for each tensor-parallel rank."""
    from sglang.srt.utils import MultiprocessingSerializer

    from tests.engines.sglang.trainer import bucket_type

    bucket = bucket_type()(named_tensors=named)
    flat = {
        "flattened_tensor": bucket.get_flattened_tensor(),
        "metadata": bucket.get_metadata(),
    }
    return [MultiprocessingSerializer.serialize(flat, output_str=True)]


STEPS = {
    "ask": ask,
    "disk": disk,
    "distributed": distributed,
    "fault": fault,
    "flush": flush,
    "ipc": ipc,
    "memory": memory,
    "processed": processed,
    "tensor": tensor,
}

if __name__ == "__main__":
    main()
