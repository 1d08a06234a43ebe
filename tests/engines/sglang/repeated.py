"""Pictures that come again, as they were and changed, or broken: what SGLang makes of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from openai import APIStatusError
from PIL import Image

from evals.media.content import data_url
from evals.media.images import encode
from evals.serving.asking import ask
from evals.serving.servers import Server
from evals.soak.odd import ODD
from tests.engines.answers import prefixes_of_sglang
from tests.engines.sglang.http_updates import flush

SIZE = (224, 168)  # pixels, width and height
QUESTION = {"type": "text", "text": "Which color is the background?"}
SAME = {"again": "first", "file again": "file"}
"""Requests for the picture of an earlier one, by their names."""
OTHERS = ("one value", "file", "file rewritten")
"""Those for others."""
BROKEN = (
    "broken base64",
    "truncated PNG",
    "text declared as PNG",
    "empty image URL",
    "0x0 image",
    "250:1 image",
)
UNUSUAL = ("1x1 image", "20:1 image")


def take(server: Server, folder: Path, candidate: str) -> dict[str, Any]:
    """Replies and tokens found in the cache of prefixes, which is empty before the first."""
    picture = Image.radial_gradient("L").resize(SIZE).convert("RGB")
    changed = picture.copy()
    changed.putpixel((80, 80), (255, 255, 254))
    file = folder / "picture.png"
    flush(server)
    found = {
        "first": _ask(server, _url(picture)),
        "again": _ask(server, _url(picture)),
        "one value": _ask(server, _url(changed)),
    }
    for name, shown in {
        "file": picture.rotate(180),
        "file again": picture.rotate(180),
        "file rewritten": changed.rotate(180),
    }.items():
        file.write_bytes(encode(shown))
        found[name] = _ask(server, f"file://{file}")
    cached = prefixes_of_sglang(server.log.read_text())[-len(found) :]
    refused = {name: _refused(server, ODD[name]()) for name in BROKEN}
    unusual = {name: ask(server.client(), server.model, ODD[name]()) for name in UNUSUAL}
    hits = dict(zip(found, zip(found.values(), cached, strict=True), strict=True))
    return {"repeated": hits, "broken": refused, "unusual": unusual}


def _ask(server: Server, url: str) -> Any:
    content = [{"type": "image_url", "image_url": {"url": url}}, QUESTION]
    return ask(server.client(), server.model, content)


def _refused(server: Server, content: list[dict[str, Any]]) -> tuple[int, str]:
    """HTTP status and message, without addresses of objects."""
    try:
        ask(server.client(), server.model, content)
    except APIStatusError as error:
        return error.status_code, re.sub("0x[0-9a-f]+", "0x", error.message)
    raise AssertionError("expected an error")


def _url(picture: Image.Image) -> str:
    return data_url("image/png", encode(picture))
