"""Time rope positions where SGLang computes them: a line of milliseconds for each request.

Whatever stands behind SGLang's functions at the time of the import is what is timed: hooks of
plugins have been applied by then.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from time import perf_counter
from typing import Any

from sglang.srt.layers.rotary_embedding import MRotaryEmbedding
from sglang.srt.managers.multimodal_processor import import_processors

from benchmarks.timed_positions import FILE


def _timed(compute: Callable[..., Any], file: str) -> Callable[..., Any]:
    @functools.wraps(compute)
    def call(*args: Any, **kwargs: Any) -> Any:
        begun = perf_counter()
        found = compute(*args, **kwargs)
        line = f"{1e3 * (perf_counter() - begun)}\n"
        with open(file, "a") as output:
            output.write(line)
        return found

    return call


try:
    from sglang.srt.plugins import hook_registry as _  # noqa: F401
except ImportError:  # 0.5.10 and older: there are no hooks, this is the extension's own way in
    import_processors("engine_ext.sglang.processors")

for _name in ("get_rope_index", "get_rope_index_glm4v"):
    _wrapped = _timed(getattr(MRotaryEmbedding, _name), os.environ[FILE])
    setattr(MRotaryEmbedding, _name, staticmethod(_wrapped))
