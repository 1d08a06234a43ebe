"""Shards for ``load_format=sharded_state``, as a machine saves them that packs no weights.

On a CPU vLLM packs the weights of linear layers after loading and drops the originals, so what a
running engine saves lacks them. Saved a moment earlier the shards are those of a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def saved_before_packing(folder: str | None) -> Iterator[None]:
    """Have vLLM save the shards of the model that it loads meanwhile; nothing without a folder."""
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
