"""The odd requests, one for each kind: malformed in one way, or valid but unusual.

What an engine makes of each is asked of the stock engine first; nothing here says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PIL import Image

from evals.media.avi import encode_avi
from evals.media.content import data_url, part
from evals.media.images import claimed_png, encode, png, truncated

Content = list[dict[str, Any]]
SIDE = 56  # pixels, four patches
CONTEXT_FILLING = 12
"""Pictures that together exceed a context of 2048 tokens: one of a megapixel has 256 or more."""


UNUSUAL: dict[str, Callable[[], Content]] = {
    "1x1 image": lambda: _image(png(1, 1)),
    "20:1 image": lambda: _image(png(560, 28)),
    "image of 12 megapixels": lambda: _image(png(4000, 3000)),
    "grey image": lambda: _image(png(SIDE, SIDE, "L")),
    "image with transparency": lambda: _image(png(SIDE, SIDE, "RGBA")),
    "JPEG image": lambda: _image(_jpeg(), "image/jpeg"),
    "PNG declared as GIF": lambda: _image(png(SIDE, SIDE), "image/gif"),
    "clip cut in half": lambda: _clip(truncated(_avi())),
}
"""Files with something to see in them. An engine may answer or refuse them, but as stock does."""

MALFORMED: dict[str, Callable[[], Content]] = {
    "broken base64": lambda: _url("data:image/png;base64,@@@ not base64 @@@"),
    "base64 cut short": lambda: _url(data_url("image/png", png(SIDE, SIDE))[:-7]),
    "truncated PNG": lambda: _image(truncated(png(SIDE, SIDE))),
    "0x0 image": lambda: _image(claimed_png(0, 0)),
    "250:1 image": lambda: _image(png(3500, 14)),
    "PNG that claims 9000x9000": lambda: _image(claimed_png(9000, 9000)),
    "PNG that claims 60000x60000": lambda: _image(claimed_png(60000, 60000)),
    "images beyond the context": lambda: _images(png(1000, 1000), CONTEXT_FILLING),
    "text beyond the context": lambda: [{"type": "text", "text": "digit " * 4000}],
    "text declared as PNG": lambda: _image(b"this is no picture"),
    "text declared as AVI": lambda: _clip(b"this is no clip"),
    "unknown content type": lambda: [{"type": "hologram", "hologram": "none"}, QUESTION],
    "empty image URL": lambda: _url(""),
    "image without a URL": lambda: [{"type": "image_url"}, QUESTION],
}
"""Requests that nothing can answer: to be refused with a status of 400 to 499."""

ODD = {**UNUSUAL, **MALFORMED}

QUESTION = {"type": "text", "text": "Which color is the background?"}


def _url(url: str) -> Content:
    return [{"type": "image_url", "image_url": {"url": url}}, QUESTION]


def _image(data: bytes, media_type: str = "image/png") -> Content:
    return [part(media_type, data), QUESTION]


def _images(data: bytes, count: int) -> Content:
    image, question = _image(data)
    return [image] * count + [question]


def _clip(data: bytes) -> Content:
    return [part("video/avi", data), QUESTION]


def _jpeg() -> bytes:
    return encode(Image.linear_gradient("L").convert("RGB"), "JPEG")


def _avi() -> bytes:
    return encode_avi([Image.new("RGB", (SIDE, SIDE), color) for color in ("red", "blue")] * 2, 2.0)
