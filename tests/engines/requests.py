"""What the tests ask a served model: every shape a request can have, and pictures of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import ExifTags, Image

from evals import checkpoints
from evals.checkpoints.questions import chat_content, held_out, large
from evals.media.content import part
from evals.media.images import encode

SIZES = [(5, 1), (1, 7), (13, 1), (3, 5), (2, 2), (4, 3)]
"""In tokens, width and height: one row, one column, prime, odd and even counts."""
MODES = ["1", "L", "RGBA", "P", "I;16"]
TURNED = 6
"""What EXIF says of a picture that is to be turned to the right."""


def conversations(family: str, skip: int = 0, video: bool = True) -> dict[str, Any]:
    """The content of one user message by name: an image, two, a text and, if wanted, a video.

    The images are held-out questions of the checkpoints, small and large; ``skip`` passes over as
    many, for images that a server has not seen.
    """
    questions = held_out(limit=skip + 12, side=checkpoints.side(family))[skip:]
    images = [question for question in questions if not question.is_video]
    video_question = next(question for question in questions if question.is_video)
    (first, text), (second, _) = chat_content(images[0]), chat_content(images[1])
    found = {
        "image": [first, text],
        "another image": chat_content(images[5]),
        "two images": [first, second, text],
        "text": text["text"],
    }
    return {**found, "video": chat_content(video_question)} if video else found


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
