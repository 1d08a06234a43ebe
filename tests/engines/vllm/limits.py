"""What the vLLM installed here cannot do on stock, so that no test asks for it."""

import vllm


def serves_video(family: str) -> bool:
    """vLLM 0.11.0 cannot start GLM4V with clips under a small token budget.

    It profiles a clip of one frame then, and transformers refuses it: "t:1 must be larger than
    temporal_factor:2".
    """
    return not (family == "glm4v" and vllm.__version__.startswith("0.11.0"))


def items_per_prompt(family: str) -> dict[str, int]:
    """The value of ``--limit-mm-per-prompt``."""
    return {"image": 2, "video": int(serves_video(family))}
