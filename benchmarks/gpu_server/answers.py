"""Whether servers answer alike: greedy tokens, and how likely the first token's rivals are."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evals import checkpoints
from evals.media.content import part
from evals.media.images import encode
from evals.media.photographs import photograph

if TYPE_CHECKING:
    from evals.serving.servers import Server

from benchmarks.gpu_server import AGAIN, EQUAL
from benchmarks.gpu_server.servers import ARMS, Session
from benchmarks.record import OFF, ON, compared
from benchmarks.serve.media import Part, picture, question, video

TOP = 5


class NothingAnswered(RuntimeError):
    """Servers that started answer nothing."""


@dataclass(frozen=True)
class Answer:
    """Greedy tokens, the log-probabilities of the first token's `TOP` rivals, and what it took."""

    tokens: tuple[str, ...]
    top: Mapping[str, float]
    prompt_tokens: int

    def difference(self, other: Answer) -> float:
        """Of log-probabilities, the most of any rival; infinite where the rivals are others."""
        if set(self.top) != set(other.top):
            return float("inf")
        return max(abs(self.top[token] - other.top[token]) for token in self.top)

    def shown(self, other: Answer) -> str:
        same = "equal" if self.tokens == other.tokens else f"DIFFERENT {self.tokens}"
        return f"{same} tokens, log-probabilities differ by {self.difference(other):.3g}"


def ask(server: Server, content: list[Part], max_tokens: int = 8) -> Answer:
    completion = server.client().chat.completions.create(
        model=server.model,
        messages=[{"role": "user", "content": content}],  # type: ignore[list-item, misc]
        temperature=0,
        max_tokens=max_tokens,
        logprobs=True,
        top_logprobs=TOP,
    )
    logprobs = completion.choices[0].logprobs
    steps = (logprobs.content if logprobs else None) or []
    assert completion.usage is not None
    return Answer(
        tokens=tuple(step.token for step in steps),
        top={rival.token: rival.logprob for rival in steps[0].top_logprobs} if steps else {},
        prompt_tokens=completion.usage.prompt_tokens,
    )


def compare(session: Session, *families: str) -> None:
    """Ask servers of each family the same; say and record how far each is from stock.

    All run side by side on a GPU. On a CPU, which servers keep busy while they wait, those of one
    family do, and of two kinds.

    Raises:
        NothingAnswered: not one question was answered by all of a family.
    """
    has_gpu = session.options.device == "cuda"
    arms = ARMS if has_gpu else {name: ARMS[name] for name in (OFF, ON)}
    for group in [families] if has_gpu else [(one,) for one in families]:
        wanted = {
            f"{family} {arm}": (checkpoints.path(family), environ)
            for family in group
            for arm, environ in arms.items()
        }
        with session.servers(wanted, are_large=False) as servers:
            for family in group:
                own = {arm: servers[f"{family} {arm}"] for arm in arms}
                answered = [_ask_all(session, family, own, *each) for each in questions()]
                if not any(answered):
                    raise NothingAnswered(f"{family}: no question was answered by all servers")


def _ask_all(
    session: Session, family: str, servers: Mapping[str, Server], name: str, content: list[Part]
) -> bool:
    try:
        answers = {arm: ask(server, content) for arm, server in servers.items()}
        answers[AGAIN] = ask(servers[OFF], content)
    except Exception as error:
        session.say(f"{family}, {name}: {type(error).__name__}: {str(error)[:300]}")
        return False
    stock = answers.pop(OFF)
    session.say(f"{family}, {name}: {stock.prompt_tokens} tokens in, {stock.tokens} out")
    for arm, answer in answers.items():
        session.say(f"{family}, {name}: {arm}: {answer.shown(stock)}")
    rows = compared(
        {arm: [answer.difference(stock)] for arm, answer in answers.items()},
        OFF,
        what=EQUAL,
        model=f"tiny {family}",
        shape=name,
        count=stock.prompt_tokens,
        device=session.options.device,
        difference={arm: float(one.tokens != stock.tokens) for arm, one in answers.items()},
        unit="log-probability",
    )
    session.record(rows)
    return True


def questions() -> Iterator[tuple[str, list[Part]]]:
    """Images in two formats, two of them, a text alone, and a video."""
    yield "text", question()
    yield "png", question(_png(1, (336, 224)))
    yield "jpeg", question(picture(2, (280, 308)))
    yield "two images", question(_png(3, (224, 224)), _png(4, (168, 280)))
    yield "video", question(video(range(10, 14), (168, 168)))


def _png(number: int, size: tuple[int, int]) -> Part:
    from PIL import Image

    return part("image/png", encode(Image.open(io.BytesIO(photograph(number, size)))))
