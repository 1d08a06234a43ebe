"""Pictures that the caller names, as routers do: what SGLang's cache of prefixes finds of them.

A caller's ``mm_hashes`` stand in for what SGLang would know an item by. So a name that was seen
before is found, whatever is shown, and a picture seen before is not found by another name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image
from transformers import AutoProcessor

from evals import checkpoints
from evals.media.content import data_url
from evals.media.images import encode
from evals.serving.servers import Server
from tests.engines.sglang.asking import GREEDILY, prompt_of
from tests.engines.sglang.http_updates import client_of, flush

SIZE = (224, 168)  # pixels, width and height
FOUND = ("again", "another picture of that name")
NOT_FOUND = ("first", "another name", "no number", "too many")
"""By their names, requests whose picture's tokens are in the cache, and those whose are not."""
ENDS_STOCK = ("qwen3_vl",)
"""Families of which stock's server ends at it (0.5.23: `IndexError: index_copy_(): index 62 is out
of bounds`, in the scheduler)."""


def take(server: Server, folder: Path, candidate: str) -> dict[str, Any]:
    """Of each request the tokens of the reply, of the prompt, and of it in the cache."""
    picture = Image.radial_gradient("L").resize(SIZE).convert("RGB")
    other = picture.rotate(90)
    processor = AutoProcessor.from_pretrained(checkpoints.path(server.model))
    prompt = prompt_of(processor, "Which color is the background?")
    asked = {
        "first": (picture, ["0a"]),
        "again": (picture, ["0a"]),
        "another picture of that name": (other, ["0a"]),
        "another name": (picture, ["0b"]),
        "no number": (picture, ["name"]),
        "too many": (other, ["0a", "0b"]),
    }
    flush(server)
    found = {}
    with client_of(server) as client:
        for name, (shown, names) in asked.items():
            image = data_url("image/png", encode(shown))
            given = {"text": prompt, "image_data": [image], "mm_hashes": names, **GREEDILY}
            reply = client.post("/generate", json=given).json()
            said = reply["meta_info"]
            found[name] = reply["output_ids"], said["prompt_tokens"], said["cached_tokens"]
    return {"named": found}
