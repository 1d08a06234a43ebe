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
    """``count`` requests in an order that ``seed`` draws.

    Pictures are of this seed of ``held_out`` and later ones; the reference questions, of seed 0.
    """
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


def _pictures(family: str, is_video: bool, seed: int) -> Iterator[Question]:
    """Questions about new pictures without end, small ones and large ones."""
    for draw in itertools.count(seed):
        for question in held_out(seed=draw, side=checkpoints.side(family)):
            if question.is_video == is_video:
                yield question
