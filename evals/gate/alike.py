"""Were both servers asked for the same model, and in the same way?"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

MODEL, MODEL_PATH = "model", "model_path"
SETTINGS = ("task", "max_new_tokens", "no_thinking", "score")
"""Options that change what a reply is, or what it scores."""
TOLD = ("version", "dtype", "tp_size", "vllm", "sglang", "torch", "transformers", "devices")
TOLD += ("engine_arguments",)
"""What a server runs on and by, in its environment, where it is known."""

Facts = Mapping[str, Any]


def asked(options: argparse.Namespace, model: str) -> dict[str, Any]:
    """What is kept with the samples of a server.

    Args:
        model: its name there.
    """
    return {MODEL: model, **{name: getattr(options, name) for name in SETTINGS}}


def reasons(baseline: Facts, candidate: Facts, is_other_model: bool) -> Iterator[str]:
    """Why replies cannot be compared.

    Args:
        baseline, candidate: what `asked` gave, and the environment; what is absent is not compared.
        is_other_model: the candidate is meant to have one.
    """
    if not is_other_model:
        for name, found in _differing(baseline, candidate, (MODEL, MODEL_PATH)):
            yield (
                f"the servers have other models ({name}): {found};"
                " --candidate-model says that this is meant"
            )
    for name, found in _differing(baseline, candidate, SETTINGS):
        yield f"the servers were asked with another {name}: {found}"


def warnings(baseline: Facts, candidate: Facts) -> Iterator[str]:
    """What may make replies differ, beside the extension."""
    for name, found in _differing(baseline, candidate, TOLD):
        yield f"the servers differ in {name}: {found}"


def _differing(
    baseline: Facts, candidate: Facts, names: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    for name in names:
        if name in baseline and name in candidate and baseline[name] != candidate[name]:
            yield name, f"baseline {baseline[name]!r}, candidate {candidate[name]!r}"
