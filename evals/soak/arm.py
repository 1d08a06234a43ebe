"""One arm of a soak: a real server, what it answers to the reference, what to each odd request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from engine_ext import status
from evals import checkpoints
from evals.serving.asking import Reply, ask
from evals.serving.engines import Engine
from evals.serving.servers import Server, ServerFailed, cpu_server
from evals.soak.mixed import chat, reference
from evals.soak.odd import ODD

ON, OFF = "on", "off"

# Caches that fill for hours look like a leak. These hold a small part of the pictures of a soak:
# they are full, and at work, after its first minutes.
SMALL_CACHES: Mapping[str, Mapping[str, Any]] = {
    "vllm": {"mm_processor_cache_gb": 0.05, "num_gpu_blocks_override": 256},
    "sglang": {},
}
# oneDNN keeps 1024 compiled products and torch, above it, 1024 more: one for each shape, and every
# length of prompt and size of picture is a shape.
SHAPES = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "32", "LRU_CACHE_CAPACITY": "32"}
SMALL_CACHES_ENVIRON: Mapping[str, Mapping[str, str]] = {
    "vllm": SHAPES,
    "sglang": {"SGLANG_VLM_CACHE_SIZE_MB": "1", **SHAPES},
}

# glibc raises its threshold for mmap to the size of what is freed, up to 32 MiB, and keeps what is
# smaller in an arena of each thread: decoded pictures, for hours. With the threshold held where it
# starts, what is freed goes back at once, and resident memory is what the server holds on to.
PROMPT, DEFAULT = "prompt", "default"
MALLOC_ENVIRON: Mapping[str, Mapping[str, str]] = {
    PROMPT: {"MALLOC_MMAP_THRESHOLD_": str(128 * 1024), "MALLOC_ARENA_MAX": "2"},
    DEFAULT: {},
}

TIMEOUT = 120  # seconds


@dataclass(frozen=True)
class Refusal:
    """What a server made of a request: its status, and its message if the request was refused."""

    status: int
    message: str | None = None


@contextmanager
def serve(
    engine: Engine, family: str, extension: str, malloc: str, logs: Path, name: str
) -> Iterator[tuple[Server, Path]]:
    """A server with the extension on or with every plugin out, and its status file."""
    status_file = logs / f"status-{name}.jsonl"
    status_file.unlink(missing_ok=True)
    features = {"ENGINE_EXT": "linear"} if extension == ON else dict(engine.without_plugins)
    environ = {
        **features,
        **SMALL_CACHES_ENVIRON[engine.name],
        **MALLOC_ENVIRON[malloc],
        status.VARIABLE: str(status_file),
    }
    model, log = checkpoints.path(family), logs / f"server-{name}.log"
    with cpu_server(engine, model, log, environ=environ, **SMALL_CACHES[engine.name]) as server:
        yield server, status_file


def reference_replies(server: Server, family: str) -> dict[str, Reply]:
    """The reference questions, answered, by kind."""
    client = server.client()
    return {kind: ask(client, server.model, text) for kind, text in reference(family).items()}


def refusals(server: Server) -> dict[str, Refusal]:
    """What the server makes of one request of each odd kind.

    Raises:
        ServerFailed: it gave no answer to one.
    """
    found = {}
    for kind, content in ODD.items():
        try:
            found[kind] = _refusal(server, content())
        except httpx.TransportError as error:
            raise ServerFailed(f"no answer to {kind}: {error!r}; see {server.log}") from error
    return found


def _refusal(server: Server, content: Any) -> Refusal:
    body = {"model": server.model, **chat("", content).body}
    # A connection of its own for each: vLLM closes it after a status 500 without saying so.
    with httpx.Client(trust_env=False, timeout=TIMEOUT) as client:
        response = client.post(f"{server.url}/v1/chat/completions", json=body)
    return Refusal(response.status_code, None if response.is_success else response.text)
