"""What is otherwise while one engine of a process is built and runs; all is as before after it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from engine_ext import features


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
def by_default(wanted: bool) -> Iterator[None]:
    """Have the extension do what it does where no feature is named."""
    named = os.environ.pop(features.VARIABLE, None) if wanted else None
    try:
        yield
    finally:
        if named is not None:
            os.environ[features.VARIABLE] = named


@contextmanager
def listening() -> Iterator[list[str]]:
    """Yields what the extension logs meanwhile, a text for each line."""
    lines: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logger, listener = logging.getLogger("vllm.engine_ext"), Listener()
    logger.addHandler(listener)
    try:
        yield lines
    finally:
        logger.removeHandler(listener)
