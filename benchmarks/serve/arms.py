"""Servers of one engine that differ in their variables: the extension off, on, with pixels."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import track

from benchmarks.record import OFF
from benchmarks.serve import BEST, PIXELS, RESIZE
from engine_ext import status
from evals.serving import status_lines

if TYPE_CHECKING:
    from evals.serving.engines import Engine
    from evals.serving.servers import Server

STOCK = {OFF: {"ENGINE_EXT": "off"}}
BESIDE: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "sglang": {BEST: {"ENGINE_EXT": "off", "SGLANG_MM_PRECOMPUTE_HASH": "1"}},
    "vllm": {},
}
WITH_PIXELS = {PIXELS: {"ENGINE_EXT": "linear,mrope,pixels"}}
WITH_RESIZE = {RESIZE: {"ENGINE_EXT": "linear,mrope,pixels,resize"}}
"""Variables of each server, by its name."""
BEST_SETTINGS = {BEST: {"mm_preprocess_cache_size_mb": 1024}}
"""Images are known by their content then. None is asked for twice, so the cache holds none."""
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "sglang": {
        "context_length": 32768,
        "max_total_tokens": 65536,
        "max_running_requests": 16,
        "disable_radix_cache": True,  # of a prompt sent again nothing would be left to time
    },
    "vllm": {
        "max_model_len": 32768,
        "max_num_batched_tokens": 32768,
        "max_num_seqs": 16,
        "limit_mm_per_prompt": {"image": 4, "video": 0},
        "skip_mm_profiling": True,
    },
}


class WrongArm(ArithmeticError):
    """A server is not what it is to be, or answers otherwise than the other."""


@dataclass
class Arms:
    """Servers that are compared.

    Args:
        folder: for logs.
        environ: variables of each, by its name.
        shared: variables of all.
        settings: of the engine, for all.
        own: settings of some, on top.
        seconds: that each start took, when servers have been started.
    """

    engine: Engine
    model: Path
    folder: Path
    environ: Mapping[str, Mapping[str, str]]
    shared: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] | None = None
    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def by_turns(self, rounds: int, measure: Callable[[str, Server], None]) -> None:
        """Start each ``rounds`` times, by turns, and measure it.

        Raises:
            WrongArm: one has replaced what it should not, or not what it should.
        """
        for _ in track(range(rounds), "rounds", transient=True):
            for arm in self.environ:
                begun = time.monotonic()
                with self.server(arm) as server:
                    self.seconds.setdefault(arm, []).append(time.monotonic() - begun)
                    measure(arm, server)

    @contextmanager
    def server(self, arm: str) -> Iterator[Server]:
        from evals.serving.servers import cpu_server

        written = self.folder / "status.jsonl"
        written.unlink(missing_ok=True)
        environ = {**self.shared, **self.environ[arm], status.VARIABLE: str(written)}
        settings = SETTINGS[self.engine.name] if self.settings is None else self.settings
        settings = {**settings, **self.own.get(arm, {})}
        log = self.folder / f"{arm}.log"
        with cpu_server(self.engine, self.model, log, environ=environ, **settings) as server:
            _check(arm, environ.get("ENGINE_EXT", "off"), written)
            yield server


def _check(arm: str, features: str, written: Path) -> None:
    lines = status_lines.of_models(written)
    modules = [one["name"] for line in lines for one in line["modules"]]
    if bool(modules) != ("linear" in features):
        raise WrongArm(f"the server {arm!r} replaced {', '.join(modules) or 'nothing'}")
    if any(PIXELS in line["features"] for line in lines) != (PIXELS in features):
        raise WrongArm(f"the server {arm!r}: pixels are on, or are not")
