"""The trainer's side of SGLang's updates by a process group: rank 0, which broadcasts weights."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from evals.serving.servers import free_port

GROUP = "trainer"


class Trainer:
    """A group of this process and the ranks of an engine, over gloo on the loopback interface.

    The engine joins and receives while this process does its part, in a thread.
    """

    def __init__(self, engine: Any, ranks: int) -> None:
        self._engine = engine
        self._size = 1 + ranks
        self._side = ThreadPoolExecutor(1)

    def __enter__(self) -> Trainer:
        from sglang.srt.utils import init_custom_process_group

        port = free_port()
        joined = self._side.submit(
            init_custom_process_group,
            backend="gloo",
            init_method=f"tcp://127.0.0.1:{port}",
            world_size=self._size,
            rank=0,
            group_name=GROUP,
        )
        succeeded, message = self._engine.init_weights_update_group(
            "127.0.0.1", port, 1, self._size, GROUP, backend="gloo"
        )
        assert succeeded, message
        self._group = joined.result()
        return self

    def __exit__(self, *raised: object) -> None:
        import torch

        # SGLang 0.5.8 and 0.5.9 answer nothing here that says more than the next update does.
        self._engine.destroy_weights_update_group(GROUP)
        torch.distributed.destroy_process_group(self._group)
        self._side.shutdown()

    def update(self, named: list[Any], load_format: str | None) -> tuple[bool, str]:
        """Broadcast named tensors, one by one or as one flat tensor, and let the engine load."""
        import torch

        if load_format == "flattened_bucket":
            sent = [bucket_type()(named_tensors=named).get_flattened_tensor()]
        else:
            sent = [value for _, value in named]

        def broadcast() -> None:
            for value in sent:
                torch.distributed.broadcast(value, src=0, group=self._group)

        done = self._side.submit(broadcast)
        succeeded, message = self._engine.update_weights_from_distributed(
            [name for name, _ in named],
            [str(value.dtype).removeprefix("torch.") for _, value in named],
            [list(value.shape) for _, value in named],
            group_name=GROUP,
            load_format=load_format,
        )
        done.result()
        return succeeded, message


def bucket_type() -> Callable[..., Any]:
    """SGLang's class for many tensors in one."""
    try:
        from sglang.srt.weight_sync.tensor_bucket import FlattenedTensorBucket
    except ImportError:
        from sglang.srt.model_executor.model_runner import FlattenedTensorBucket
    return FlattenedTensorBucket  # type: ignore[no-any-return]
