"""What is otherwise while one engine of a process is built and runs; all is as before after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any


@contextmanager
def convolving(wanted: bool) -> Iterator[list[int]]:
    """Have vLLM's own layer take the path it takes on a GPU with torch < 2.9.

    Where stock is an ``nn.Conv3d`` it does anyway. Yields the number of patches of each
    convolution.
    """
    from torch.nn import functional

    calls: list[int] = []
    convolve = functional.conv3d

    def counted(values: Any, *arguments: Any, **options: Any) -> Any:
        calls.append(len(values))
        return convolve(values, *arguments, **options)

    functional.conv3d = counted
    has_layer = find_spec("vllm.model_executor.layers.conv") is not None
    if wanted and has_layer:
        from vllm.model_executor.layers.conv import Conv3dLayer

        multiply = Conv3dLayer._forward_mulmat
        Conv3dLayer._forward_mulmat = Conv3dLayer._forward_conv
    try:
        yield calls
    finally:
        functional.conv3d = convolve
        if wanted and has_layer:
            Conv3dLayer._forward_mulmat = multiply


@contextmanager
def saving_shards(folder: str | None) -> Iterator[None]:
    """Have vLLM save shards (``load_format=sharded_state``) of the model that it loads meanwhile.

    On a CPU vLLM packs the weights of linear layers after loading and drops the originals, so what
    a running engine saves lacks them. Saved a moment earlier the shards are those of a GPU.
    """
    if folder is None:
        yield
        return
    from vllm.model_executor.model_loader import ShardedStateLoader
    from vllm.model_executor.model_loader.default_loader import DefaultModelLoader

    load = DefaultModelLoader.load_weights

    def load_and_save(self: Any, model: Any, model_config: Any) -> None:
        load(self, model, model_config)
        ShardedStateLoader.save_model(model, folder)

    DefaultModelLoader.load_weights = load_and_save
    try:
        yield
    finally:
        DefaultModelLoader.load_weights = load


@contextmanager
def faulty(name: str | None) -> Iterator[None]:
    """Let a deliberate fault act (tests/engines/injection.py), or one that is chosen later: ""."""
    if name is None:
        yield
        return
    from tests.engines.injection import injected

    choose(name)
    with injected(lambda: _chosen[0]):
        yield


def choose(name: str) -> None:
    """The fault that acts from now on; no name, none."""
    _chosen[0] = name


_chosen = [""]
