"""What an engine is asked in its own process, and what it answers."""

from __future__ import annotations

from typing import Any

from evals import checkpoints

GREEDILY = {"sampling_params": {"temperature": 0, "max_new_tokens": 4}, "return_logprob": True}


def ask(engine: Any, family: str, skip: int) -> dict[str, Any]:
    """Greedy replies about two images that nobody has asked about when ``skip`` is new."""
    from transformers import AutoProcessor

    from evals.checkpoints.questions import held_out

    questions = held_out(limit=3 * (skip + 2), side=checkpoints.side(family))
    about_images = [question for question in questions if not question.is_video]
    processor = AutoProcessor.from_pretrained(checkpoints.path(family))
    found: dict[str, Any] = {"tokens": [], "logprobs": [], "cached": 0}
    for question in about_images[skip : skip + 2]:
        output = engine.generate(
            prompt_of(processor, question.text), image_data=question.images, **GREEDILY
        )
        found["tokens"] += output["output_ids"]
        found["logprobs"] += _logprobs(output)
        found["cached"] += output["meta_info"]["cached_tokens"]
    return found


def outcome(engine: Any, family: str, skip: int) -> Any:
    """What `ask` gives, or what the engine says that takes no images."""
    try:
        return ask(engine, family, skip)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def text(engine: Any, family: str, prompt: str) -> dict[str, Any]:
    """The greedy reply to a prompt without images."""
    output = engine.generate(prompt, **GREEDILY)
    return {"tokens": output["output_ids"], "logprobs": _logprobs(output)}


def processed(engine: Any, family: str, form: str) -> dict[str, Any]:
    """The reply about an image that the client has processed itself, or what the engine says.

    Args:
        form: of tests/engines/sglang/client_features.py.
    """
    from transformers import AutoProcessor

    from evals.checkpoints.questions import held_out
    from tests.engines.sglang.client_features import FORMS

    question = next(q for q in held_out(limit=12, side=checkpoints.side(family)) if not q.is_video)
    processor = AutoProcessor.from_pretrained(checkpoints.path(family))
    prompt = prompt_of(processor, question.text)
    given = dict(processor(text=[prompt], images=question.images, return_tensors="pt"))
    tokens = given["input_ids"][0].tolist()
    try:
        media = FORMS[form](given)
        output = engine.generate(input_ids=tokens, image_data=media, **GREEDILY)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {
        "tokens": [processor.tokenizer.decode([token]) for token in output["output_ids"]],
        "logprobs": _logprobs(output),
        "prompt tokens": output["meta_info"]["prompt_tokens"],
    }


def prompt_of(processor: Any, question: str) -> str:
    """As the model's template writes it, of one image and a question about it."""
    content = [{"type": "image"}, {"type": "text", "text": question}]
    prompt: str = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    return prompt


def _logprobs(output: Any) -> list[float]:
    return [step[0] for step in output["meta_info"]["output_token_logprobs"]]
