"""Ask a server over the OpenAI chat API and keep what two servers are compared by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evals.checkpoints import LOGPROB_TOLERANCE

if TYPE_CHECKING:
    from openai import OpenAI


@dataclass(frozen=True)
class Reply:
    """A greedy reply: its text, its tokens, and the log-probability of each."""

    text: str
    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]
    prompt_tokens: int

    def difference(self, other: Reply) -> float:
        """The most that log-probabilities differ by, of two replies of the same tokens."""
        return max(abs(a - b) for a, b in zip(self.logprobs, other.logprobs, strict=True))


def ask(
    client: OpenAI, model: str, content: str | list[dict[str, Any]], max_tokens: int = 8
) -> Reply:
    """One user message, answered greedily.

    Args:
        content: a text, or OpenAI content parts (text, image_url, video_url).
    """
    completion = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": content}],  # type: ignore[list-item, misc]
        temperature=0,
        max_tokens=max_tokens,
        seed=0,
        logprobs=True,
    )
    choice = completion.choices[0]
    assert choice.logprobs is not None
    steps = choice.logprobs.content or []
    assert completion.usage is not None
    return Reply(
        text=choice.message.content or "",
        tokens=tuple(step.token for step in steps),
        logprobs=tuple(step.logprob for step in steps),
        prompt_tokens=completion.usage.prompt_tokens,
    )


def differences(stock: Mapping[str, Reply], replies: Mapping[str, Reply]) -> list[str]:
    """Where replies are not those of stock: tokens equal, log-probabilities near."""
    found = []
    for name, reply in replies.items():
        if reply.tokens != stock[name].tokens:
            found.append(f"{name}: {reply.text!r}, stock says {stock[name].text!r}")
        elif (difference := stock[name].difference(reply)) > LOGPROB_TOLERANCE:
            found.append(f"{name}: log-probabilities differ by {difference:.3f}")
    return found
