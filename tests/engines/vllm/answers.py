"""Answers of two engines compared, and what an engine says when it refuses."""

import re

import pytest

from evals.checkpoints import LOGPROB_TOLERANCE
from tests.engines.vllm.ways import HAS_LAYER

TOLERANCE = {"float32": 1e-5, "bfloat16": LOGPROB_TOLERANCE}
"""Of log-probabilities, where a convolution is compared with a product."""
DIFFERENCE = dict.fromkeys(TOLERANCE, 0.0) if HAS_LAYER else TOLERANCE
"""Where both multiply: on a CPU vLLM's own layer computes the same product as the extension."""


def assert_same(found, expected, tolerance=DIFFERENCE["bfloat16"]):
    """Greedy tokens are equal, their log-probabilities within ``tolerance``."""
    assert found.keys() == expected.keys()
    for name, reply in expected.items():
        assert found[name]["tokens"] == reply["tokens"], name
        assert found[name]["logprobs"] == pytest.approx(reply["logprobs"], abs=tolerance), name


def differ(found, expected, tolerance=TOLERANCE["bfloat16"]):
    """Whether the answers tell the two apart: some log-probability is further off than that."""
    return any(
        found[name]["tokens"] != reply["tokens"]
        or found[name]["logprobs"] != pytest.approx(reply["logprobs"], abs=2 * tolerance)
        for name, reply in expected.items()
    )


def said(error):
    """The first line of an error, short and without the folders of this machine."""
    line = re.sub(r"/\S+/", "", error.splitlines()[0])
    return line if len(line) < 120 else line[:117] + "..."
