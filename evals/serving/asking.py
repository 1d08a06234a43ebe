"""Ask a server over the OpenAI chat API and keep what two servers are compared by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from openai import OpenAI


@dataclass(frozen=True)
class Reply:
    """A greedy reply: its text, its tokens, and the log-probability of each."""

    text: str
    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]
    prompt_tokens: int


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
