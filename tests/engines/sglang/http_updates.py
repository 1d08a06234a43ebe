"""A server's weights updated over HTTP, and what it answers then."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx

from evals import checkpoints
from evals.checkpoints.copies import copy_without_weights
from evals.checkpoints.questions import conversations
from evals.serving.asking import Reply, ask
from evals.serving.servers import Server
from tests.engines.damage import changed

FAMILY = "glm4v"  # its projection has a bias
KINDS = ["image", "two images", "text"]
UPDATED, REFUSED = 12, 24
"""When the server is asked, as the number of held-out questions to pass over: SGLang answers
about an image it has seen from what the tower gave then."""


def take(server: Server, folder: Path, candidate: str) -> dict[str, Any]:
    """Update from disk, and try to again from a folder that holds no weights."""
    other = Path(changed(folder, FAMILY))
    empty = copy_without_weights(checkpoints.path(FAMILY), folder / "empty")
    found: dict[str, Any] = {"updated": update(server, other), UPDATED: replies(server, UPDATED)}
    code, said = update(server, empty)
    said["message"] = said["message"].replace(str(folder), "")
    found["refused"] = code, said
    found[REFUSED] = replies(server, REFUSED)
    found["health"] = httpx.get(f"{server.url}/health", trust_env=False).status_code
    return found


def update(server: Server, checkpoint: Path) -> tuple[int, Any]:
    """Post an update: (HTTP status, answer)."""
    flush(server)
    with client_of(server) as client:
        reply = client.post("/update_weights_from_disk", json={"model_path": str(checkpoint)})
    return reply.status_code, reply.json()


def flush(server: Server) -> None:
    """Empty the cache of prefixes, once the server no longer counts the last request."""
    with client_of(server) as client:
        for _ in range(50):
            if client.post("/flush_cache").status_code == 200:
                return
            time.sleep(0.1)
    raise AssertionError("the server still counts a request after 5 s")


def client_of(server: Server) -> httpx.Client:
    return httpx.Client(base_url=server.url, trust_env=False, timeout=120)


def replies(server: Server, when: int) -> dict[str, Reply]:
    client, content = server.client(), conversations(FAMILY, skip=when, video=False)
    return {kind: ask(client, server.model, content[kind]) for kind in KINDS}
