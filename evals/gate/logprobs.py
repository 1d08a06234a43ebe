"""The finer comparison: log-probabilities of the first token, with and without the extension.

Scores see only what changes an answer. A projection whose output is scaled by a tenth, or a bias
that is missing, moves the log-probabilities of a model that still answers right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import httpx

KINDS = ("image", "video")
TOP = 5
TIMEOUT = 300  # seconds


class ProbeFailed(RuntimeError):
    """A server did not answer a probe with log-probabilities, or both were asked other probes."""


@dataclass(frozen=True)
class First:
    """The likeliest first tokens of a reply, with their log-probabilities.

    Raises:
        ProbeFailed: there are none, or one is no finite number; NaN would exceed no tolerance.
    """

    kind: str
    position: int
    tokens: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.tokens or not all(map(_is_finite, self.tokens.values())):
            raise ProbeFailed(
                f"{_named(self.kind, self.position)}: found the log-probabilities"
                f" {self.tokens!r:.200}, expected finite numbers by token"
            )

    @property
    def likeliest(self) -> str:
        return max(self.tokens, key=lambda token: self.tokens[token])


@dataclass(frozen=True)
class Compared:
    """How far apart two arms are over the probes of one kind.

    Each probe's difference is that of the baseline's likeliest token; a token that the candidate
    does not have among its likeliest counts as likely as the least of these, which is too likely.
    """

    kind: str
    count: int
    mean: float
    largest: float
    same_token: float


def ask(
    probes: Sequence[Mapping[str, Any]],
    http: httpx.Client,
    url: str,
    asked: Mapping[str, Any],
    concurrency: int,
    tick: Callable[[int, int], None],
) -> list[First]:
    """Ask each probe for one token.

    Args:
        asked: what every request says beside its messages, the model among it.

    Raises:
        ProbeFailed: a request failed, or carries no log-probabilities.
    """
    once = {"max_tokens": 1, "temperature": 0, "seed": 0, "logprobs": True, "top_logprobs": TOP}

    def first(probe: Mapping[str, Any]) -> First:
        body = {**asked, **once, "messages": probe["messages"]}
        what = _named(probe["kind"], probe["position"])
        try:
            response = http.post(f"{url}/chat/completions", json=body, timeout=TIMEOUT)
        except httpx.HTTPError as error:
            raise ProbeFailed(f"{what}: {error!r}") from error
        if not response.is_success:
            raise ProbeFailed(f"{what}: status {response.status_code}, {response.text!r:.200}")
        try:
            (step,) = response.json()["choices"][0]["logprobs"]["content"][:1]
            tokens = {one["token"]: one["logprob"] for one in step["top_logprobs"]}
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ProbeFailed(f"{what}: no log-probabilities in {response.text!r:.200}") from error
        return First(probe["kind"], probe["position"], tokens)

    found = []
    with ThreadPoolExecutor(concurrency) as pool:
        for one in pool.map(first, probes):
            found.append(one)
            tick(len(found), len(probes))
    return found


def compare(baseline: Sequence[First], candidate: Sequence[First]) -> list[Compared]:
    """Each kind of probe that was asked.

    Raises:
        ProbeFailed: the arms were not asked the same probes.
    """
    asked = [[(one.kind, one.position) for one in arm] for arm in (baseline, candidate)]
    if asked[0] != asked[1]:
        raise ProbeFailed(f"found {len(asked[0])} and {len(asked[1])} probes, expected the same")
    found = []
    for kind in KINDS:
        pairs = [(b, c) for b, c in zip(baseline, candidate, strict=True) if b.kind == kind]
        if pairs:
            differences = [_difference(before, after) for before, after in pairs]
            same = fmean(before.likeliest == after.likeliest for before, after in pairs)
            found.append(Compared(kind, len(pairs), fmean(differences), max(differences), same))
    return found


def faults(compared: Sequence[Compared], tolerance: float) -> list[str]:
    """Kinds of probe whose mean difference exceeds ``tolerance``."""
    return [
        f"first-token log-probabilities of {one.count} {one.kind}s differ by {one.mean:.4f} on"
        f" average (at most {one.largest:.4f}), expected {tolerance:.4f} or less"
        for one in compared
        if not one.mean <= tolerance
    ]


def _named(kind: str, position: int) -> str:
    return f"the {kind} about question {position}"


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _difference(before: First, after: First) -> float:
    token = before.likeliest
    return abs(before.tokens[token] - after.tokens.get(token, min(after.tokens.values())))
