"""What else the tests ask a served model: pictures of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import ExifTags, Image

from evals import checkpoints
from evals.checkpoints.questions import chat_content, held_out, large
from evals.media.avi import encode_avi
from evals.media.content import part
from evals.media.images import encode

SIZES = [(5, 1), (1, 7), (13, 1), (3, 5), (2, 2), (4, 3)]
"""In tokens, width and height: one row, one column, prime, odd and even counts."""
MODES = ["1", "L", "RGBA", "P", "I;16"]
RATES = [0.5, 3, 24]
TURNED = 6
"""What EXIF says of a picture that is to be turned to the right."""


def pictures(family: str, video: bool = True) -> dict[str, Any]:
    """The content of one user message by name: odd sizes, modes, files of other kinds and, if
    wanted, images beside a video."""
    side = checkpoints.side(family)
    token = side // 2  # a small image has two tokens along each side
    question = next(q for q in held_out(limit=12, side=side) if not q.is_video)
    small = question.images[0]
    big = small.resize((large(side), large(side)))
    text = {"type": "text", "text": question.text}
    found = {}
    for columns, rows in SIZES:
        picture = small.resize((columns * token, rows * token))
        found[f"{columns}x{rows} tokens"] = [_encoded(picture), text]
    for mode in MODES:
        found[f"mode {mode}"] = [_encoded(_in_mode(big, mode)), text]
    found["animated"] = [_encoded(big, "GIF", append_images=[small], save_all=True), text]
    found["CMYK"] = [_encoded(big.convert("CMYK"), "JPEG"), text]
    found["turned by EXIF"] = [_encoded(big.rotate(90), "JPEG", exif=_orientation(TURNED)), text]
    if video:
        of_video = next(q for q in held_out(limit=12, side=side) if q.is_video)
        clip, asked = chat_content(of_video)
        # Not of those above: an image is known by its file alone, and by its pixels beside a video.
        image, other = (_encoded(one.rotate(180)) for one in (big, small))
        found["image and video"] = [image, clip, asked]
        found["video and image"] = [clip, image, asked]
        found["image, video, image"] = [other, clip, image, asked]
    return found


def videos(family: str, two: bool) -> dict[str, Any]:
    """The content of one user message by name: videos of several frame rates, and two at a time."""
    clips = [q for q in held_out(limit=40, side=checkpoints.side(family)) if q.is_video]
    first, second, other = clips[:3]
    text = {"type": "text", "text": first.text}

    def made(frames: list[Image.Image], rate: float) -> dict[str, Any]:
        return part("video/avi", encode_avi(frames, rate))

    found = {}
    for rate in RATES:
        # Two seconds at least: of a shorter one vLLM takes one frame, which GLM-4V refuses.
        frames = max(4, round(rate / 2)) * [*other.images]
        found[f"{rate} frames a second"] = [made(frames, rate), text]
    if two:
        found["two videos"] = [made(first.images, 1), made(second.images, 4), text]
    return found


def _in_mode(picture: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 256)
    return picture.convert(mode)


def _orientation(number: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = number
    return exif


def _encoded(picture: Image.Image, kind: str = "PNG", **settings: Any) -> dict[str, Any]:
    return part(f"image/{kind.lower()}", encode(picture, kind, **settings))
