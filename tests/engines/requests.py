"""What the tests ask a served model: one conversation for each shape a request can have."""

from __future__ import annotations

from typing import Any

from evals import checkpoints
from evals.checkpoints.questions import chat_content, held_out


def conversations(family: str, skip: int = 0, video: bool = True) -> dict[str, Any]:
    """The content of one user message by name: an image, two, a text and, if wanted, a clip.

    The images are held-out questions of the checkpoints, small and large; ``skip`` passes over as
    many, for images that a server has not seen.
    """
    questions = held_out(limit=skip + 12, side=checkpoints.side(family))[skip:]
    stills = [question for question in questions if not question.is_video]
    clip = next(question for question in questions if question.is_video)
    (first, text), (second, _) = chat_content(stills[0]), chat_content(stills[1])
    found = {
        "image": [first, text],
        "another image": chat_content(stills[5]),
        "two images": [first, second, text],
        "text": text["text"],
    }
    return {**found, "video": chat_content(clip)} if video else found
