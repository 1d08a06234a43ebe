"""How lmms-eval's requests are sent, and what of a reply it reads. Runs inside lmms-eval."""

from __future__ import annotations

from typing import Any

from openai.resources.chat.completions import Completions

from evals.gate.samples import THINKING


def replace(max_tokens: int) -> None:
    """Have every request sent as the report says it was, and once.

    - lmms-eval 0.7.3 sends neither temperature nor ``max_tokens`` to a model whose name holds "o1",
      "o3", "o4" or "gpt-5", whoever serves it: both are set here.
    - openai's client sends a request again that has failed, without a word, twice.
    - A reply without content is what the model thought, and no answer; lmms-eval reads None.

    Args:
        max_tokens: of a reply at most.
    """
    create = Completions.create

    def once(self: Completions, *args: Any, **kwargs: Any) -> Any:
        own = Completions(self._client.with_options(max_retries=0))
        kwargs |= {"temperature": 0, "max_tokens": max_tokens}
        kwargs.pop("max_completion_tokens", None)
        response = create(own, *args, **kwargs)
        for choice in response.choices:
            message = choice.message
            thought = getattr(message, "reasoning_content", None)  # vLLM has come to say reasoning
            thought = thought or getattr(message, "reasoning", None)
            message.content = message.content or (f"{THINKING}{thought}" if thought else "")
        return response

    if create.__name__ != once.__name__:  # the task is imported more than once
        Completions.create = once
