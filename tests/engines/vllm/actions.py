"""What a test can have a running vLLM engine do: answer, take new weights, save what it holds.

Runs in the process of ``offline.py``. Every action takes the engine and the family of its model,
and returns what JSON can hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.engines.vllm import conditions, on_model


def act(name: str, llm: Any, family: str, **arguments: Any) -> Any:
    return ACTIONS[name](llm, family, **arguments)


def every_rank(llm: Any) -> list[dict[str, Any]]:
    """What the model consists of, in each process that holds a part of it."""
    from tests.engines.describe import describe

    return llm.apply_model(describe)


def replies(
    llm: Any, family: str, skip: int = 0, only: Sequence[str] = (), **request: Any
) -> dict[str, Any]:
    """Greedy replies to an image, two images, a text and a video: tokens and log-probabilities.

    Args:
        skip: how many images to pass over, so that no cache holds what is asked.
        only: names of the conversations (evals/checkpoints/questions.py), if not all.
    """
    from vllm import SamplingParams

    from evals.checkpoints.questions import conversations
    from tests.engines.limits import serves_video

    sampling = SamplingParams(temperature=0, max_tokens=8, logprobs=0, seed=0)
    found = {}
    for name, content in conversations(family, skip, serves_video(family)).items():
        if only and name not in only:
            continue
        messages = [{"role": "user", "content": content}]
        (output,) = llm.chat(messages, sampling, use_tqdm=False, **request)[0].outputs
        steps = zip(output.token_ids, output.logprobs, strict=True)
        found[name] = {
            "tokens": list(output.token_ids),
            "logprobs": [step[token].logprob for token, step in steps],
        }
    return found


def reload(llm: Any, family: str, skip: int) -> dict[str, Any]:
    """Overwrite the projection, let vLLM reload the checkpoint, and ask about images not cached."""
    llm.apply_model(on_model.spoil)
    llm.collective_rpc("reload_weights")
    return replies(llm, family, skip)


def update(llm: Any, family: str, by: str, path: str, skip: int) -> dict[str, Any]:
    """Update the weights from a checkpoint, and ask about images not cached whatever comes of it.

    The result holds what the extension logged meanwhile, too.
    """
    result: dict[str, Any] = {"error": None}
    with conditions.listening() as result["logged"]:
        try:
            UPDATES[by](llm, path)
        except Exception as refused:
            result["error"] = causes(refused)
    return {**result, "replies": replies(llm, family, skip)}


def _reload_from_tensors(llm: Any, path: str) -> None:
    weights = list(on_model.weights(path))
    llm.collective_rpc("reload_weights", kwargs={"weights_iterator": weights})


def _reload_layerwise(llm: Any, path: str) -> None:
    config = llm.llm_engine.vllm_config.model_config
    llm.apply_model(on_model.Layerwise(path, config))


def _by(step: type[on_model.Update]) -> Callable[[Any, str], Any]:
    return lambda llm, path: llm.apply_model(step(path))


UPDATES: dict[str, Callable[[Any, str], Any]] = {
    "reload_weights from disk": lambda llm, path: llm.collective_rpc(
        "reload_weights", kwargs={"weights_path": path}
    ),
    "reload_weights from tensors": _reload_from_tensors,
    "load_weights": _by(on_model.AllAtOnce),
    "load_weights of the patch embedding": _by(on_model.TheProjection),
    "load_weights, one tensor a call": _by(on_model.OneTensorACall),
    "load_weights, 200 calls": _by(on_model.ManyCalls),
    "load_weights in buckets": _by(on_model.Buckets),
    "load_weights in buckets after the weights were discarded": _by(on_model.DiscardedThenBuckets),
    "sparse patches": _by(on_model.SparsePatches),
    "param.data.copy_": _by(on_model.InPlace),
    "layerwise reload, one tensor a call": _reload_layerwise,
    "load_weights of meta tensors": _by(on_model.MetaTensors),
    "load_weights of fake tensors": _by(on_model.FakeTensors),
    "load_weights of tensors of no elements": _by(on_model.EmptyTensors),
}
"""The ways to put the weights of a checkpoint into a running engine; the last three bring none."""


def save_shards(llm: Any, family: str, path: str) -> list[str]:
    """Save the model for ``load_format=sharded_state``; the names of the files."""
    llm.llm_engine.engine_core.save_sharded_state(path)
    return sorted(file.name for file in Path(path).glob("model-*.safetensors"))


def sleep(llm: Any, family: str, level: int, skip: int) -> dict[str, Any]:
    """Sleep, wake up and ask about images not cached."""
    llm.sleep(level=level)
    llm.wake_up()
    return replies(llm, family, skip=skip)


def ask_with_adapter(llm: Any, family: str, path: str) -> dict[str, Any]:
    from vllm.lora.request import LoRARequest

    return replies(llm, family, lora_request=LoRARequest("adapter", 1, path))


def forget(llm: Any, family: str) -> None:
    """Empty the caches: of prefixes, of inputs and, where this vLLM can, of what the tower gave."""
    llm.reset_prefix_cache()
    llm.llm_engine.reset_mm_cache()
    getattr(llm.llm_engine, "reset_encoder_cache", lambda: None)()


def cache_hits(llm: Any, family: str) -> dict[str, int]:
    """How often vLLM has found what it looked for in its caches."""
    return {
        metric.name: metric.value
        for metric in llm.get_metrics()
        if metric.name.endswith(("prefix_cache_hits", "mm_cache_hits"))
    }


ACTIONS = {
    "reload": reload,
    "ask_with_adapter": ask_with_adapter,
    "cache_hits": cache_hits,
    "forget": forget,
    "adapted": lambda llm, family: llm.apply_model(on_model.adapted)[0],
    "encode_as_captured": lambda llm, family: llm.apply_model(on_model.encode_as_captured)[0],
    "spoil": lambda llm, family: len(llm.apply_model(on_model.spoil)),
    "update": update,
    "save_shards": save_shards,
    "sleep": sleep,
    "ask": replies,
}


def causes(error: BaseException | None) -> str:
    """An exception and those that led to it, a line each."""
    lines = []
    while error is not None:
        lines.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return "\n".join(lines)
