"""The ways in which new weights reach a running engine, each as a trainer would take it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.engines.sglang.masked_copy import LOADER
from tests.engines.sglang.trainer import Trainer, bucket_type

Named = list[tuple[str, Any]]
BUCKETS = 3


def disk(engine: Any, family: str, checkpoint: str) -> list[Any]:
    """Update all weights from a checkpoint: [succeeded, message], as all of these."""
    return list(engine.update_weights_from_disk(checkpoint))[:2]


def tensor(engine: Any, family: str, load_format: str | None, checkpoint: str) -> list[Any]:
    """Update the projection alone from tensors."""
    named = _projection(checkpoint)
    if load_format == "direct":
        named = _by_the_engine_s_names(named)
    return _in_a_session(engine, lambda: _send(engine, named, load_format))


def twice(engine: Any, family: str, checkpoint: str) -> list[Any]:
    """Update the projection by the loader to what is not wanted, then directly, in one session."""
    named = _projection(checkpoint)
    doubled = [(name, 2 * value) for name, value in named]

    def update() -> tuple[bool, str]:
        succeeded, message = _send(engine, doubled, None)
        direct = _by_the_engine_s_names(named)
        return _send(engine, direct, "direct") if succeeded else (succeeded, message)

    return _in_a_session(engine, update)


def distributed(engine: Any, family: str, load_format: str | None, checkpoint: str) -> list[Any]:
    """Update the projection alone by a broadcast from a trainer's group."""
    ranks = getattr(engine, "server_args", None)
    with Trainer(engine, ranks=ranks.tp_size if ranks else 1) as trainer:
        named = _projection(checkpoint)
        return _in_a_session(engine, lambda: trainer.update(named, load_format))


def one_by_one(engine: Any, family: str, checkpoint: str) -> list[Any]:
    """Update all weights, one tensor an update."""
    apart = [[one] for one in _weights(checkpoint)]
    return _in_a_session(engine, lambda: _in_turn(engine, apart))


def buckets(engine: Any, family: str, checkpoint: str) -> list[Any]:
    """Update all weights in flattened buckets: the projection last, weight and bias apart."""
    return _in_a_session(
        engine, lambda: _in_turn(engine, _bucketed(checkpoint), "flattened_bucket")
    )


def zeroed(engine: Any, family: str, checkpoint: str) -> list[Any]:
    """Set all weights to zero, and load them in buckets then."""
    zeros = [(name, value.new_zeros(value.shape)) for name, value in _weights(checkpoint)]
    return _in_a_session(engine, lambda: _in_turn(engine, [zeros, *_bucketed(checkpoint)]))


def masked(engine: Any, family: str, checkpoint: str) -> list[Any]:
    """Update every second value of the projection, by a loader that NaN tells to keep a value."""
    named = []
    for name, value in _projection(checkpoint):
        sparse = value.clone().flatten()
        sparse[::2] = float("nan")
        named.append((name, sparse.view(value.shape)))
    return _in_a_session(engine, lambda: _send(engine, named, LOADER))


def ipc(engine: Any, family: str) -> list[Any]:
    """Update by the checkpoint engine, from a socket where nobody sends."""
    return list(engine.update_weights_from_ipc({"none": "ipc:///nobody"}))[:2]


def memory(engine: Any, family: str) -> list[Any]:
    """Release the memory of weights and cache, and take it again."""
    engine.release_memory_occupation()
    engine.resume_memory_occupation()
    return [True, ""]


def _weights(checkpoint: str) -> Named:
    from safetensors.torch import load_file

    return list(load_file(Path(checkpoint) / "model.safetensors").items())


def _projection(checkpoint: str) -> Named:
    return [(name, value) for name, value in _weights(checkpoint) if _is_of_projection(name)]


def _by_the_engine_s_names(named: Named) -> Named:
    return [("visual." + name.partition("visual.")[2], value) for name, value in named]


def _is_of_projection(name: str) -> bool:
    return ".patch_embed.proj." in name


def _bucketed(checkpoint: str) -> list[Named]:
    others = [one for one in _weights(checkpoint) if not _is_of_projection(one[0])]
    apart = [[one] for one in _projection(checkpoint)]
    return [*(others[start::BUCKETS] for start in range(BUCKETS)), *apart]


def _in_turn(engine: Any, parts: list[Named], load_format: str | None = None) -> tuple[bool, str]:
    """The first that does not succeed, or the last."""
    for part in parts:
        succeeded, message = _send(engine, part, load_format)
        if not succeeded:
            break
    return succeeded, message


def _send(engine: Any, named: Named, load_format: str | None) -> Any:
    payload = _serialised_bucket(named) if load_format == "flattened_bucket" else named
    return engine.update_weights_from_tensor(payload, load_format=load_format)


def _in_a_session(engine: Any, update: Callable[[], Any]) -> list[Any]:
    """Newer SGLang frames an update by calls of its own, and may refuse it in the last one."""
    if not hasattr(engine, "begin_weight_update"):
        return list(update())
    engine.begin_weight_update()
    succeeded, message = update()
    ended, last = engine.end_weight_update()
    return [succeeded and ended, last if succeeded else message]


def _serialised_bucket(named: Named) -> list[Any]:
    """One serialised flat tensor for each tensor-parallel rank."""
    from sglang.srt.utils import MultiprocessingSerializer

    bucket = bucket_type()(named_tensors=named)
    flat = {
        "flattened_tensor": bucket.get_flattened_tensor(),
        "metadata": bucket.get_metadata(),
    }
    return [MultiprocessingSerializer.serialize(flat, output_str=True)]
