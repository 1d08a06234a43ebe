"""The weights of a server, updated over HTTP, and a damaged checkpoint refused."""

import time
from pathlib import Path

import httpx
import pytest

from engine_ext import status
from evals import checkpoints
from evals.asking import ask
from evals.engines import SGLANG
from evals.expected import LOGPROB_TOLERANCE
from evals.servers import cpu_server
from tests.engines.damage import NAN, changed, damaged
from tests.engines.limits import OFF, ON
from tests.engines.requests import conversations

FAMILY = "glm4v"  # its projection has a bias
KINDS = ["image", "two images", "text"]
UPDATED, REFUSED = 0, 12
"""When the server is asked, as the number of held-out questions to pass over: SGLang answers
about an image it has seen from what the tower gave then."""


def update(server, checkpoint):
    """Post an update: (HTTP status, answer)."""
    with httpx.Client(base_url=server.url, trust_env=False, timeout=120) as client:
        for _ in range(50):  # it fails while the server still counts the last request
            if client.post("/flush_cache").status_code == 200:
                break
            time.sleep(0.1)
        reply = client.post("/update_weights_from_disk", json={"model_path": str(checkpoint)})
    return reply.status_code, reply.json()


def replies(server, when):
    client, content = server.client(), conversations(FAMILY, skip=when, video=False)
    return {kind: ask(client, server.model, content[kind]) for kind in KINDS}


@pytest.fixture(scope="module")
def arms(tmp_path_factory, say):
    folder = tmp_path_factory.mktemp("http")
    original = checkpoints.path(FAMILY)
    other, nan = Path(changed(folder, FAMILY)), Path(damaged(folder, FAMILY, NAN))
    lines = folder / "status.jsonl"
    found = {}
    say(f"SGLang, {FAMILY}: a server with the extension, updated over HTTP (40 s)")
    environ = {**ON, status.VARIABLE: str(lines)}
    with cpu_server(SGLANG, original, folder / "on.log", environ=environ) as server:
        found["updated"] = update(server, other)
        found[UPDATED] = replies(server, UPDATED)
        found["refused"] = update(server, nan)
        found[REFUSED] = replies(server, REFUSED)
        found["health"] = httpx.get(f"{server.url}/health", trust_env=False).status_code
    found["lines"] = status.read(lines)
    say(f"SGLang, {FAMILY}: a fresh stock server over the other checkpoint (30 s)")
    with cpu_server(SGLANG, other, folder / "off.log", environ=OFF) as server:
        expected = {when: replies(server, when) for when in (UPDATED, REFUSED)}
    return found, expected


def assert_answers_as_a_fresh_stock_server(arms, when):
    found, expected = arms[0][when], arms[1][when]
    for kind in KINDS:
        assert found[kind].tokens == expected[kind].tokens
        assert found[kind].logprobs == pytest.approx(expected[kind].logprobs, abs=LOGPROB_TOLERANCE)


@pytest.mark.shows("weight paths", "update from disk over HTTP")
def test_an_updated_server_answers_as_a_fresh_stock_server(arms):
    code, said = arms[0]["updated"]
    assert (code, said["success"]) == (200, True)
    assert_answers_as_a_fresh_stock_server(arms, UPDATED)


@pytest.mark.shows("refused updates", "from disk over HTTP: values that are not finite")
def test_a_refused_update_is_answered_and_the_server_goes_on_as_before(arms, record_property):
    code, said = arms[0]["refused"]
    assert (code, said["success"]) == (400, False)
    assert "visual.patch_embed.proj.weight: " in said["message"]
    assert "values are not finite" in said["message"]
    assert arms[0]["health"] == 200
    assert_answers_as_a_fresh_stock_server(arms, REFUSED)
    record_property("found", "answered with HTTP 400 and the reason")


def test_the_update_has_a_verified_status_line(arms):
    first, second, *_ = arms[0]["lines"]
    assert (first["loads"], second["loads"]) == (1, 2)
    assert second["modules"][0]["difference"] < 1e-5
