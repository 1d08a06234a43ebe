"""The finer comparison: log-probabilities of the first token, with and without the extension.

Scores see only what changes an answer. A projection whose output is scaled by a tenth, or a bias
that is missing, moves the log-probabilities of a model that still answers right.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from evals.gate.client import API_KEY, client

KINDS = ("image", "video")
TOP = 5
TIMEOUT = 300  # seconds


class ProbeFailed(RuntimeError):
    """A server did not answer a probe with log-probabilities."""


@dataclass(frozen=True)
class First:
    """The likeliest first tokens of a reply, with their log-probabilities."""

    kind: str
    position: int
    tokens: Mapping[str, float]


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


def read_probes(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def ask(
    probes: Sequence[Mapping[str, Any]],
    url: str,
    model: str,
    concurrency: int,
    progress: Callable[[int, int], None],
    no_thinking: bool = False,
    api_key: str = API_KEY,
) -> list[First]:
    """Ask each probe for one token.

    Args:
        no_thinking: as in `Questions`.
        api_key: the environment variable that holds the server's key.

    Raises:
        ProbeFailed: a request failed, or carries no log-probabilities.
    """
    more = {"chat_template_kwargs": {"enable_thinking": False}} if no_thinking else {}
    with client(url, api_key, TIMEOUT) as http, ThreadPoolExecutor(concurrency) as pool:
        found = []
        for first in pool.map(
            lambda probe: _ask(http, url, {"model": model, **more}, probe), probes
        ):
            found.append(first)
            progress(len(found), len(probes))
    return found


def compare(baseline: Sequence[First], candidate: Sequence[First]) -> list[Compared]:
    """Each kind of probe that was asked.

    Raises:
        ValueError: the arms were not asked the same probes.
    """
    asked = [[(one.kind, one.position) for one in arm] for arm in (baseline, candidate)]
    if asked[0] != asked[1]:
        raise ValueError(f"found {len(asked[0])} and {len(asked[1])} probes, expected the same")
    found = []
    for kind in KINDS:
        pairs = [(b, c) for b, c in zip(baseline, candidate, strict=True) if b.kind == kind]
        if not pairs:
            continue
        differences = [_difference(before, after) for before, after in pairs]
        same = [_likeliest(before) == _likeliest(after) for before, after in pairs]
        found.append(
            Compared(
                kind=kind,
                count=len(pairs),
                mean=math.fsum(differences) / len(pairs),
                largest=max(differences),
                same_token=sum(same) / len(same),
            )
        )
    return found


def faults(compared: Sequence[Compared], tolerance: float) -> list[str]:
    """Kinds of probe whose mean difference exceeds ``tolerance``."""
    return [
        f"first-token log-probabilities of {one.count} {one.kind}s differ by {one.mean:.4f} on"
        f" average (at most {one.largest:.4f}), expected {tolerance:.4f} or less"
        for one in compared
        if one.mean > tolerance
    ]


def _ask(http: httpx.Client, url: str, more: Mapping[str, Any], probe: Mapping[str, Any]) -> First:
    body = {
        **more,
        "messages": probe["messages"],
        "max_tokens": 1,
        "temperature": 0,
        "seed": 0,
        "logprobs": True,
        "top_logprobs": TOP,
    }
    what = f"the {probe['kind']} about question {probe['position']}"
    try:
        response = http.post(f"{url}/chat/completions", json=body)
    except httpx.HTTPError as error:
        raise ProbeFailed(f"{what}: {error!r}") from error
    if not response.is_success:
        raise ProbeFailed(f"{what}: status {response.status_code}, {response.text[:200]}")
    try:
        steps = response.json()["choices"][0]["logprobs"]["content"]
        tokens = {one["token"]: one["logprob"] for one in steps[0]["top_logprobs"]}
    except (KeyError, IndexError, TypeError) as error:
        raise ProbeFailed(f"{what}: no log-probabilities in {response.text[:200]}") from error
    return First(probe["kind"], probe["position"], tokens)


def _likeliest(first: First) -> str:
    return max(first.tokens, key=lambda token: first.tokens[token])


def _difference(before: First, after: First) -> float:
    token = _likeliest(before)
    return abs(before.tokens[token] - after.tokens.get(token, min(after.tokens.values())))
