"""Arms as a run leaves them, for tests of what is made of them."""

from dataclasses import replace

from engine_ext.status import MODEL
from evals.gate.samples import Sample
from evals.gate.validity import Arm

REPLACED = {
    "role": MODEL,
    "engine": "vllm",
    "features": ["linear"],
    "modules": [{"name": "visual.patch_embed.proj"}],
}


def sample(position, **changes):
    """A question that was answered right."""
    made = Sample(
        position=position,
        name=f"validation_Digit_{position}",
        question=f"digest {position}",
        subject="Digit",
        reply="A",
        target="A",
        score=1.0,
        chance=0.25,
        unreadable=False,
        failure=None,
        prompt_tokens=80,
        reply_tokens=2,
    )
    return replace(made, **changes)


def arm(name, samples=None, **changes):
    """A baseline without the extension, or a candidate with it."""
    made = Arm(
        name=name,
        samples=[sample(i) for i in range(5)] if samples is None else samples,
        asked={"model": "m", "task": "t", "max_new_tokens": 8, "no_thinking": False, "score": None},
        dataset="digest of the files",
        status=[] if name == "baseline" else [REPLACED],
        environment={"vllm": "0.32.0"},
    )
    return replace(made, **changes)
