"""An image and a clip of one grey, whose pixels are the same bytes as uint8, one after the other.

SGLang knows an item by the bytes of its rows. Of the compact rows of these two, that of an image of
twice as many patches are those of the clip (a row of a clip holds two frames), so one would be
answered with what the prefix cache holds of the other if nothing else told them apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from evals.checkpoints.questions import FPS
from evals.media.avi import encode_avi
from evals.media.content import part
from evals.media.images import encode
from evals.serving.asking import ask
from evals.serving.servers import Server
from tests.engines.sglang.http_updates import flush

FAMILY = "qwen2_5_vl"
GREY = (128, 128, 128)  # what JPEG gives back as it is
CLIP, FRAMES, IMAGE = (224, 112), 2, (448, 448)  # SGLang enlarges a clip; pixels, width and height
TOKENS = 128  # of the clip; of the image twice as many
QUESTION = {"type": "text", "text": "Which color is the background?"}


def take(server: Server, folder: Path, candidate: str) -> dict[str, Any]:
    """The replies about both, in either order, each time from an empty cache."""
    client = server.client()
    clip, image = _clip(), _image()
    found = {}
    for name, order in {"clip first": (clip, image), "image first": (image, clip)}.items():
        flush(server)
        found[name] = [ask(client, server.model, [part, QUESTION]) for part in order]
    first, second = found["clip first"]
    assert second.prompt_tokens - first.prompt_tokens == TOKENS
    return {"one colour": found}


def _image() -> dict[str, Any]:
    return part("image/png", encode(Image.new("RGB", IMAGE, GREY)))


def _clip() -> dict[str, Any]:
    return part("video/avi", encode_avi([Image.new("RGB", CLIP, GREY)] * FRAMES, FPS))
