"""The requests of a soak in the order they are sent: mostly well-formed, no picture twice.

Engines keep what they computed of a picture, so a picture seen before would not pass the patch
embedding again. Every well-formed request therefore has pictures of its own.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from evals import checkpoints
from evals.checkpoints.questions import Question, chat_content, held_out
from evals.soak.odd import ODD

SHARES = {"image": 45, "two images": 10, "video": 10, "text": 13, "odd": 22}
"""Of a hundred requests; the odd ones take turns."""
WELL_FORMED = tuple(kind for kind in SHARES if kind != "odd")
MAX_TOKENS = 4
REFERENCE_SEED = 0  # the reference questions are of this seed of `held_out`, the mix of later ones


@dataclass(frozen=True)
class Request:
    """One chat request.

    Args:
        kind: what it is in the table of results.
        answer: the letter of the right answer, where there is one.
    """

    kind: str
    body: dict[str, Any]
    answer: str | None = None


def chat(kind: str, content: Any, answer: str | None = None) -> Request:
    """A request to be answered greedily with a few tokens. The model is named when it is sent."""
    message = {"role": "user", "content": content}
    body = {"messages": [message], "temperature": 0, "max_tokens": MAX_TOKENS}
    return Request(kind, body, answer)


def requests(family: str, count: int, seed: int = 1) -> Iterator[Request]:
    """``count`` requests in an order that ``seed`` draws."""
    rng = random.Random(seed)
    stills, clips = _pictures(family, False, seed), _pictures(family, True, seed)
    odd = itertools.cycle([chat(kind, content()) for kind, content in ODD.items()])
    for number in range(count):
        (kind,) = rng.choices(list(SHARES), list(SHARES.values()))
        if kind == "odd":
            yield next(odd)
        elif kind == "text":
            yield chat(kind, f"Question {number}. {next(stills).text}")
        elif kind == "two images":
            (first, text), (second, _) = (chat_content(next(stills)) for _ in range(2))
            yield chat(kind, [first, second, text])
        else:
            question = next(clips if kind == "video" else stills)
            yield chat(kind, chat_content(question), question.answer)


def reference(family: str) -> dict[str, Any]:
    """The content of the messages asked before and after, by kind."""
    questions = held_out(limit=12, seed=REFERENCE_SEED, side=checkpoints.side(family))
    stills = [question for question in questions if not question.is_video]
    clip = next(question for question in questions if question.is_video)
    (first, text), (second, _) = chat_content(stills[0]), chat_content(stills[1])
    return {
        "image": [first, text],
        "another image": chat_content(stills[5]),
        "two images": [first, second, text],
        "text": text["text"],
        "video": chat_content(clip),
    }


def _pictures(family: str, is_video: bool, seed: int) -> Iterator[Question]:
    """Questions about new pictures without end, small ones and large ones."""
    for draw in itertools.count(REFERENCE_SEED + seed):
        for question in held_out(seed=draw, side=checkpoints.side(family)):
            if question.is_video == is_video:
                yield question
