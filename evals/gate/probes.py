"""What the gate takes out of a data set: probes to ask with log-probabilities, and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from PIL import Image

from evals.media.avi import encode_avi
from evals.media.content import data_url, part
from evals.media.images import encode

FPS = 2.0
LONGEST_SIDE = 768  # pixels, of a picture in a report or of a video


def probes(task: Any, docs: Any, count: int) -> Iterator[dict[str, Any]]:
    """Questions spread over the data set, and videos that alternate between two of its pictures.

    An image holds its frame twice, so only a video tells the temporal halves of a kernel apart.
    """
    chosen = [round(i * len(docs) / count) for i in range(min(count, len(docs)))]
    last: Image.Image | None = None
    for position in chosen:
        messages = task.doc_to_messages(docs[position])
        pictures = _pictures(messages)
        yield {"kind": "image", "position": position, "messages": _openai(messages)}
        if pictures and last is not None:
            clip = encode_avi([_small(last), _small(pictures[0], _small(last).size)] * 2, FPS)
            text = [one for one in _openai(messages)[0]["content"] if one["type"] == "text"]
            content = [part("video/avi", clip), *text]
            asked = [{"role": "user", "content": content}]
            yield {"kind": "video", "position": position, "messages": asked}
        last = pictures[0] if pictures else last


def question(task: Any, doc: Any) -> dict[str, Any]:
    """The text of a question and its pictures, small, as data URLs."""
    messages = task.doc_to_messages(doc)
    text = [part["text"] for one in messages for part in one["content"] if part["type"] == "text"]
    return {"text": "\n".join(text), "pictures": [_png(p) for p in _pictures(messages)]}


def _openai(messages: Any) -> Any:
    from lmms_eval.protocol import ChatMessages  # takes seconds, see `tasks`

    return ChatMessages(messages=messages).to_openai_messages()


def _pictures(messages: Any) -> list[Image.Image]:
    parts = (part for message in messages for part in message["content"])
    return [part["url"].convert("RGB") for part in parts if part["type"] == "image"]


def _small(picture: Image.Image, size: tuple[int, int] | None = None) -> Image.Image:
    if size is None:
        scale = min(1, LONGEST_SIDE / max(picture.size))
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture if picture.size == size else picture.resize(size)


def _png(picture: Image.Image) -> str:
    return data_url("image/png", encode(_small(picture)))
