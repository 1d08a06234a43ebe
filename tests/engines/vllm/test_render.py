"""A render server makes requests ready for an engine of other settings: the answers of stock."""

import httpx
import pytest

from engine_ext import status
from engine_ext.doctor import launches
from evals import checkpoints
from evals.checkpoints.questions import conversations
from evals.serving import status_lines
from evals.serving.engines import VLLM
from evals.serving.servers import free_port, running
from tests.engines.limits import DEFAULT, OFF, ON, settings, slow, with_pixels

pytestmark = [slow, with_pixels]

FAMILY = "qwen2_5_vl"
SWITCHES = {"off": OFF, "default": DEFAULT, "pixels": ON}


def server(folder, switch, command=None, **given):
    """``vllm serve``, or another command of the same settings."""
    folder.mkdir(parents=True)
    model, port = checkpoints.path(FAMILY), free_port()
    wanted = {**VLLM.cpu_settings, **settings(FAMILY), **given}
    launch = VLLM.launch(str(model), model.name, port, wanted)
    if command:
        launch = [launch[0], *command, *launch[2:]]
    environ = {**VLLM.cpu_environ, **switch, status.VARIABLE: str(folder / "status.jsonl")}
    return running(launch, model.name, port, folder / "log", environ)


def posted(server, path, body):
    done = httpx.post(f"{server.url}{path}", json=body, timeout=120, trust_env=False)
    assert done.status_code == 200, done.text
    return done.json()


def chat(model, content):
    messages = [{"role": "user", "content": content}]
    asked = {"temperature": 0, "max_tokens": 8, "seed": 0, "logprobs": True}
    return {"model": model, "messages": messages, **asked}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory, say):
    """By the switch of the render server, what an engine is asked, and what the status file says
    of who made it ready."""
    folder, found = tmp_path_factory.mktemp("render"), {}
    for name, switch in SWITCHES.items():
        say(f"vLLM, a render server, {name} (30 s)")
        with server(folder / name, switch, ("launch", "render")) as render:
            asked = {
                question: posted(render, "/v1/chat/completions/render", chat(render.model, content))
                for question, content in conversations(FAMILY).items()
            }
        found[name] = asked, status_lines.of_all(folder / name / "status.jsonl")
    return found


def generated(engine, asked):
    found = {}
    for question, body in asked.items():
        (choice,) = posted(engine, "/inference/v1/generate", body)["choices"]
        found[question] = choice["token_ids"], choice["logprobs"]
    return found


@pytest.fixture(scope="module")
def stock(rendered, tmp_path_factory, say):
    say("vLLM, an engine behind a render server, stock (1 min)")
    folder = tmp_path_factory.mktemp("stock")
    with server(folder / "engine", OFF, enable_scale_out=True) as engine:
        found = generated(engine, rendered["off"][0])
        assert generated(engine, rendered["default"][0]) == found
        return found


@pytest.mark.shows("layouts", "a render server before an engine, pixels at the engine: {switch}")
@pytest.mark.parametrize("switch", ["default", "pixels"])
def test_an_engine_with_the_extension_answers_whatever_the_render_server_has(
    switch, rendered, stock, tmp_path, say, record_property
):
    say(f"vLLM, an engine behind render servers, {switch} (1 min)")
    with server(tmp_path / "engine", SWITCHES[switch], enable_scale_out=True) as engine:
        for asked, _ in rendered.values():
            assert generated(engine, asked) == stock
    record_property("found", "as stock, behind a render server that is stock, by default, pixels")


def test_a_render_server_tells_what_it_sends(rendered):
    assert rendered["off"][1] == []
    (by_default,), (named,) = (rendered[name][1] for name in ("default", "pixels"))
    assert (by_default["sends"], named["sends"]) == ([], ["image"])
    assert by_default["as_before"]["image"] == "only where ENGINE_EXT names it"
    (problem,) = launches.examine([{**named, "host": "another"}])["problems"]
    assert "without the extension it refuses them" in problem
