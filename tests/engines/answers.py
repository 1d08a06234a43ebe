"""Answers of two servers over HTTP, compared."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from evals.checkpoints import LOGPROB_TOLERANCE
from evals.serving.asking import Reply
from tests.engines.limits import NAME, VERSION

IS_ONE_PRODUCT = NAME == "sglang" and VERSION >= (0, 5, 19)
"""Stock computes the projection of each family by the same product as the extension."""
TOLERANCE = 0 if IS_ONE_PRODUCT else LOGPROB_TOLERANCE


def assert_same_answers(found: Mapping[str, Reply], expected: Mapping[str, Reply]) -> None:
    """To each request the same greedy tokens, as likely, for a prompt of as many tokens."""
    assert_same_tokens(found, expected)
    for name, reply in found.items():
        likely = pytest.approx(expected[name].logprobs, rel=0, abs=TOLERANCE)
        assert reply.logprobs == likely, name


def assert_same_tokens(found: Mapping[str, Reply], expected: Mapping[str, Reply]) -> None:
    tokens, wanted = ({k: reply.tokens for k, reply in arm.items()} for arm in (found, expected))
    assert tokens == wanted
    lengths, wanted = (
        {k: reply.prompt_tokens for k, reply in arm.items()} for arm in (found, expected)
    )
    assert lengths == wanted


def prefixes_of_sglang(log: str) -> list[int]:
    """How many tokens of each request SGLang had in its cache of prefixes, by its log."""
    return [int(count) for count in re.findall(r"#cached-token: (\d+)", log)]
