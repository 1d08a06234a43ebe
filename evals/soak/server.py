"""A server of a soak: how it is started, what it answers to the reference and to odd requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from engine_ext import status
from evals import checkpoints
from evals.checkpoints.questions import conversations
from evals.serving.asking import Reply, ask
from evals.serving.engines import Engine
from evals.serving.servers import Server, ServerFailed, cpu_server
from evals.soak.mixed import chat
from evals.soak.odd import ODD

# Caches that fill for hours look like a leak. These hold a small part of the pictures of a soak:
# they are full, and at work, after its first minutes.
SMALL_CACHES = {
    "vllm": {"mm_processor_cache_gb": 0.05, "num_gpu_blocks_override": 256},
    "sglang": {},
}
SMALL_CACHES_ENVIRON = {"vllm": {}, "sglang": {"SGLANG_VLM_CACHE_SIZE_MB": "1"}}
# oneDNN keeps 1024 compiled products and torch, above it, 1024 more: one for each shape, and every
# length of prompt and size of picture is a shape.
FEW_SHAPES = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "32", "LRU_CACHE_CAPACITY": "32"}
# glibc raises its threshold for mmap to the size of what is freed, up to 32 MiB, and keeps what is
# smaller in an arena of each thread: decoded pictures, for hours. With the threshold held where it
# starts, what is freed goes back at once, and resident memory is what the server holds on to.
MALLOC_ENVIRON = {
    "prompt": {"MALLOC_MMAP_THRESHOLD_": str(128 * 1024), "MALLOC_ARENA_MAX": "2"},
    "default": {},
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
    """A server with the extension ``on`` or with every plugin out, and its status file."""
    status_file = logs / f"status-{name}.jsonl"
    status_file.unlink(missing_ok=True)
    environ = {
        **({"ENGINE_EXT": "linear"} if extension == "on" else engine.without_plugins),
        **FEW_SHAPES,
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
    asked = conversations(family).items()
    return {kind: ask(client, server.model, content) for kind, content in asked}


def refusals(server: Server) -> dict[str, Refusal]:
    """What the server makes of one request of each odd kind.

    Raises:
        ServerFailed: it gave no answer to one.
    """
    found = {}
    for kind, content in ODD.items():
        body = {"model": server.model, **chat(kind, content()).body}
        try:
            # Without a connection that was used before: vLLM closes it after a status 500 without
            # saying so.
            with httpx.Client(trust_env=False, timeout=TIMEOUT) as client:
                response = client.post(f"{server.url}/v1/chat/completions", json=body)
        except httpx.TransportError as error:
            raise ServerFailed(f"no answer to {kind}: {error!r}; see {server.log}") from error
        message = None if response.is_success else response.text
        found[kind] = Refusal(response.status_code, message)
    return found
