"""``--skip-tokenizer-init``: prompts and replies are tokens, and images come as they are."""

import json
import re

import httpx
import pytest

from evals import checkpoints
from evals.checkpoints.questions import held_out
from evals.media.avi import encode_avi
from evals.media.content import data_url
from evals.media.images import encode
from tests.engines.deployed import started
from tests.engines.limits import OFF, ON, VERSION, slow
from tests.engines.sglang.asking import GREEDILY

pytestmark = [slow, pytest.mark.skipif(VERSION < (0, 5, 21), reason="tried on newer ones")]

FAMILY = "qwen2_5_vl"
IMAGES = 20
SAME = ("output_ids", "prompt_tokens", "output_token_logprobs")
"""What is kept of an answer, beside which it says when it was made."""


def asked(family):
    """Bodies for ``/generate`` by name: what stock answers, and what it refuses."""
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(checkpoints.path(family))

    def tokens(text, *kinds):
        content = [*({"type": kind} for kind in kinds), {"type": "text", "text": text}]
        prompt = processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        return processor.tokenizer(prompt)["input_ids"]

    def media(question):
        if question.is_video:
            return {"video_data": data_url("video/avi", encode_avi(question.images, 2.0))}
        return {"image_data": [data_url("image/png", encode(one)) for one in question.images]}

    questions = held_out(limit=2 * IMAGES, side=checkpoints.side(family))
    about_images = [question for question in questions if not question.is_video][:IMAGES]
    video = next(question for question in questions if question.is_video)
    first, second = about_images[:2]
    image, other = media(first), media(second)
    both = {"image_data": image["image_data"] + other["image_data"]}
    found = {"text": {"input_ids": tokens(first.text)}}
    for number, question in enumerate(about_images):
        found[f"image {number}"] = {
            "input_ids": tokens(question.text, "image"),
            **media(question),
        }
    ids = tokens(first.text, "image")
    return {
        **found,
        "two images": {"input_ids": tokens(first.text, "image", "image"), **both},
        "video": {"input_ids": tokens(video.text, "video"), **media(video)},
        "image and video": {
            "input_ids": tokens(video.text, "image", "video"),
            **image,
            **media(video),
        },
        "two requests": {
            "input_ids": [ids, tokens(first.text)],
            "image_data": [image["image_data"], None],
        },
        "a prompt of text": {"text": first.text, **image},
        "more images than places": {"input_ids": ids, **both},
        "no place": {"input_ids": tokens(first.text), **image},
        "no image": {"input_ids": ids},
        "broken image": {"input_ids": ids, "image_data": [data_url("image/png", b"nothing")]},
        "rows of numbers": {
            "input_ids": ids,
            "image_data": [{"format": "processor_output", "pixel_values": [[0.5] * 4] * 4}],
        },
        "the first again": found["image 0"],
    }


def answers(server, bodies):
    """(HTTP status, what SGLang made of it) by name."""
    found = {}
    with httpx.Client(base_url=server.url, trust_env=False, timeout=120) as client:
        for name, body in bodies.items():
            reply = client.post("/generate", json={**body, **GREEDILY})
            said = json.loads(re.sub("0x[0-9a-f]+", "", reply.text))  # addresses of objects
            found[name] = reply.status_code, [kept(each) for each in as_list(said)]
    return found


def as_list(said):
    return said if isinstance(said, list) else [said]


def kept(said):
    if "meta_info" not in said:
        return said
    return {name: {**said["meta_info"], **said}.get(name) for name in SAME}


@pytest.mark.shows("layouts", "no tokenizer (--skip-tokenizer-init)")
def test_answers_and_refusals_are_those_of_stock(tmp_path, say, record_property):
    bodies, came = asked(FAMILY), []
    for name, switch in {"stock": OFF, "extension": ON}.items():
        say(f"SGLang, no tokenizer, {name} (1 min)")
        folder = tmp_path / name
        with started(FAMILY, folder, switch, skip_tokenizer_init=True) as server:
            came.append(answers(server, bodies))
            assert server.is_running()
    expected, found = came
    assert expected["image 0"][0] == expected["text"][0] == 200
    assert expected["a prompt of text"][0] == 400
    assert found == expected
    record_property("found", "bit-identical to stock")
