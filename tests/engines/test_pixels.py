"""Stills as raw pixels, on the stock command of the engine: the same answers as without."""

import io

import numpy as np
import pytest
from PIL import Image

from engine_ext import status
from evals import checkpoints
from evals.asking import ask
from evals.checkpoints.questions import chat_content, held_out, large
from evals.data_url import data_url
from evals.engines import ENGINES
from evals.servers import cpu_server
from tests.engines.limits import (
    NAME,
    OFF,
    PIXELS_TOLERANCE,
    families,
    serves_video,
    settings,
    slow,
    with_pixels,
)
from tests.engines.requests import conversations

SIZES = [(5, 1), (1, 7), (13, 1), (3, 5), (2, 2), (4, 3)]
"""In tokens, width and height: one row, one column, prime, odd and even counts."""
MODES = ["L", "RGBA", "P", "I;16"]
FAST = "qwen2_5_vl"

pytestmark = with_pixels
engine = ENGINES[NAME]
OTHERWISE = {
    "sglang": {"image_processor_backend": "pil"},
    "vllm": {"no_mm_device_do_normalize": True},
}[NAME or "vllm"]
"""Processors of SGLang that give floating point, and rows that vLLM normalises on the host."""
LOGITS = {"sglang": {}, "vllm": {"hf_overrides": {"head_dtype": "float32"}}}[NAME or "vllm"]
"""In bfloat16 logits above 8 come in steps of 1/16: at even odds, one is 0.03 nats."""
RUNS = {family: (family, {}) for family in families()}
RUNS["a processor of floats"] = FAST, OTHERWISE


def asked(family):
    """Content of requests by name: what `conversations` has, odd sizes, modes, and a mixture."""
    side = checkpoints.side(family)
    found = conversations(family, video=serves_video(family))
    token = side // 2  # a small image has two tokens along each side
    question = next(q for q in held_out(limit=12, side=side) if not q.is_video)
    large_picture = question.images[0].resize((large(side), large(side)))
    text = {"type": "text", "text": question.text}
    for columns, rows in SIZES:
        picture = question.images[0].resize((columns * token, rows * token))
        found[f"{columns}x{rows} tokens"] = [encoded(picture), text]
    for mode in MODES:
        found[f"mode {mode}"] = [encoded(in_mode(large_picture, mode)), text]
    found["animated"] = [encoded(large_picture, "GIF", append_images=[question.images[0]]), text]
    if serves_video(family):
        clip = next(q for q in held_out(limit=12, side=side) if q.is_video)
        found["image and video"] = [encoded(large_picture), *chat_content(clip)]
    return found


def in_mode(picture, mode):
    if mode == "I;16":
        return Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 256)
    return picture.convert(mode)


def encoded(picture, kind="PNG", **settings):
    buffer = io.BytesIO()
    picture.save(buffer, kind, save_all=bool(settings), **settings)
    url = data_url(f"image/{kind.lower()}", buffer.getvalue())
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.fixture(
    scope="module", params=[pytest.param(run, marks=() if run == FAST else slow) for run in RUNS]
)
def arms(request, tmp_path_factory, say):
    """Replies and status lines of a stock server, and of one with the feature."""
    family, otherwise = RUNS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    found = {}
    for arm, switch in (("off", OFF), ("on", {"ENGINE_EXT": "linear,mrope,pixels"})):
        say(f"{engine.shown}, {family}, pixels {arm} (40 s)")
        written = folder / f"{arm}.jsonl"
        environ = {**switch, status.VARIABLE: str(written)}
        log = folder / f"{arm}.log"
        with cpu_server(
            engine,
            checkpoints.path(family),
            log,
            environ=environ,
            **settings(family),
            **LOGITS,
            **otherwise,
        ) as server:
            client = server.client()
            replies = {
                name: ask(client, server.model, content) for name, content in asked(family).items()
            }
        found[arm] = replies, status.read(written), log.read_text()
    return found


@pytest.mark.shows("features", "raw pixels, {arms}")
def test_pixels_change_no_answer(arms, record_property):
    on, off = arms["on"][0], arms["off"][0]
    assert {name: reply.tokens for name, reply in on.items()} == {
        name: reply.tokens for name, reply in off.items()
    }
    assert [one.prompt_tokens for one in on.values()] == [one.prompt_tokens for one in off.values()]
    away = {name: abs(reply.logprobs[0] - off[name].logprobs[0]) for name, reply in on.items()}
    furthest = max(away, key=away.get)
    far = f"first log-probability at most {away[furthest]:.1e} nats away ({furthest})"
    record_property("found", f"same tokens, {far}")
    assert away[furthest] <= PIXELS_TOLERANCE


def test_the_process_that_holds_the_model_says_so(arms):
    (line,) = arms["on"][1]
    assert "pixels" in line["features"]
    (module,) = line["modules"]
    assert module["takes_pixels"] is True
    assert "stills travel as raw pixels" in arms["on"][2]
    if NAME == "sglang":
        assert "clips travel as raw pixels" in arms["on"][2]
