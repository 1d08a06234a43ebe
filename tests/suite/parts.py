"""The parts of the suite: which environments each needs, and in which lane it runs.

Each lane runs at most one engine server at a time, so the machine holds two at most. The lanes take
about as long as each other.
"""

from __future__ import annotations

from dataclasses import dataclass

PROGRESS = "SUITE_PROGRESS"
"""The variable that names the file to which ``tests.suite.progress`` writes."""


@dataclass(frozen=True)
class Part:
    """``target`` is its make target; ``tests`` says whether it runs any (lint runs none)."""

    name: str
    target: str
    environments: tuple[str, ...]
    tests: bool = True


LINT = Part("lint", "lint", ("core",), tests=False)
CORE = Part("core", "test-core", ("core",))
TRANSFORMERS_4 = Part("transformers 4", "test-transformers-4", ("transformers-4",))
SGLANG = Part("SGLang", "test-sglang", ("sglang",))
VLLM = Part("vLLM", "test-vllm", ("vllm",))
GATE = Part("gate", "test-gate-short", ("vllm", "lmms-eval"))

# The core comes last: it builds a wheel from the checkout, into whose metadata the building of
# environments writes too.
LANES = ((LINT, SGLANG, CORE), (VLLM, TRANSFORMERS_4, GATE))

BUILDS = ("core", "vllm", "transformers-4", "sglang", "lmms-eval")
"""In the order in which they are needed, one at a time: the second finds packages in the cache."""
