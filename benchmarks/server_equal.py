"""Whether servers answer alike: greedy tokens, and how likely the first token's rivals are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks import device as devices
from benchmarks.record import Row
from benchmarks.towers import DTYPE
from evals.media.content import part
from evals.media.photographs import photograph

if TYPE_CHECKING:
    from benchmarks.server_arms import Kept
    from evals.serving.servers import Server

WHAT = "gpu_server, equal"
TOP = 5
AGAIN = "off, asked again"
"""What an answer moves by on its own."""


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
        return f"log-probabilities of the top {TOP} differ by {self.difference(other):.3g}"


def compare(
    family: str,
    servers: Mapping[str, Server],
    kept: Kept,
    record: Callable[[list[Row]], None],
) -> None:
    """Ask every server the same; say and record how far each is from the one that is off.

    Raises:
        NothingAnswered: not one question was answered by all.
    """
    answered = 0
    for name, content in questions():
        try:
            answers = {arm: ask(server, content) for arm, server in servers.items()}
            answers[AGAIN] = ask(servers["off"], content)
        except Exception as error:
            kept.say(f"{family}, {name}: {type(error).__name__}: {str(error)[:300]}")
            continue
        answered += 1
        stock = answers.pop("off")
        kept.say(f"{family}, {name}: {stock.prompt_tokens} tokens in, {stock.tokens} out")
        for arm, answer in answers.items():
            record([_row(family, name, arm, answer, stock)])
            same = "equal" if answer.tokens == stock.tokens else f"DIFFERENT {answer.tokens}"
            kept.say(f"{family}, {name}: {arm}: {same} tokens, {answer.shown(stock)}")
    if not answered:
        raise NothingAnswered(f"{family}: no question was answered by all of {', '.join(servers)}")


def _row(family: str, name: str, arm: str, answer: Answer, stock: Answer) -> Row:
    difference = answer.difference(stock)
    return Row(
        what=WHAT,
        provider=arm,
        shape=f"tiny {family}, {name}",
        count=stock.prompt_tokens,
        dtype=DTYPE,
        device=devices.name(devices_here()),
        median=difference,
        low=difference,
        high=difference,
        reference="off",
        difference=float(answer.tokens != stock.tokens),
        unit="nats",
        engine=devices.engine(),
    )


def devices_here() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def ask(server: Server, content: list[dict[str, Any]], max_tokens: int = 8) -> Answer:
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


def questions() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Images in two formats, two of them, a text alone, and a video."""
    asked = {"type": "text", "text": "What is in this picture?"}
    yield "text", [asked]
    yield "png", [_png(1, (336, 224)), asked]
    yield "jpeg", [part("image/jpeg", photograph(2, (280, 308))), asked]
    two = [_png(3, (224, 224)), _png(4, (168, 280))]
    yield "two images", [*two, asked]
    yield "video", [part("video/avi", _video()), asked]


def _png(number: int, size: tuple[int, int]) -> dict[str, Any]:
    from evals.media.images import encode

    return part("image/png", encode(_picture(number, size)))


def _picture(number: int, size: tuple[int, int]) -> Any:
    import io

    from PIL import Image

    return Image.open(io.BytesIO(photograph(number, size))).convert("RGB")


def _video() -> bytes:
    from evals.media.avi import encode_avi

    return encode_avi([_picture(10 + number, (168, 168)) for number in range(4)], fps=2)
