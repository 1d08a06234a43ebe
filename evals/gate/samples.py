"""The samples that lmms-eval wrote of one arm."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAILED = ("[LMMS_EVAL_REQUEST_FAILED", "[LMMS_EVAL_BUDGET_EXCEEDED]")
"""How the text of a reply begins that never came. lmms-eval scores it like any other."""


THINKING = "<think>"
ANSWERS = "</think>"


class BadSamples(ValueError):
    """The file is not what lmms-eval writes for a task with a score of each sample."""


@dataclass(frozen=True)
class Sample:
    """One question and the reply to it.

    Args:
        question: digest of the question, pictures included.
        chance: of a right answer without looking; None where it is not known.
        unreadable: no option could be read from the reply to a multiple-choice question.
        failure: why there is no reply, or None.
        prompt_tokens, reply_tokens: as the server counted them; None where it did not.
    """

    position: int
    name: str
    question: str
    subject: str
    reply: str
    target: str
    score: float
    chance: float | None
    unreadable: bool
    failure: str | None
    prompt_tokens: int | None
    reply_tokens: int | None

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing, or thinks to its end."""
        return not answer(self.reply)

    def is_cut(self, limit: int) -> bool:
        """Whether it is as long as it may be, ``limit`` tokens."""
        return self.reply_tokens is not None and self.reply_tokens >= limit

    def is_no_answer(self, limit: int) -> bool:
        return self.is_empty or self.unreadable or self.is_cut(limit)


def answer(reply: str) -> str:
    """What a reply says once it has thought; empty where it thinks to its end."""
    thought, ended, rest = reply.rpartition(ANSWERS)
    return (rest if ended or THINKING not in reply else thought).strip()


def read(file: Path, score: str | None = None) -> list[Sample]:
    """The samples of a file, in the order of the questions.

    Args:
        score: name of the metric that holds the score; None takes the one there is.

    Raises:
        BadSamples: the file has none, or a line of it is not a sample.
    """
    samples = []
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        try:
            samples.append(_sample(json.loads(line), score))
        except (KeyError, TypeError, ValueError) as error:
            raise BadSamples(f"{file}, line {number}: {error!r} in {line[:120]}") from error
    if not samples:
        raise BadSamples(f"{file}: no samples")
    return sorted(samples, key=lambda sample: sample.position)


def _sample(row: Mapping[str, Any], score: str | None) -> Sample:
    gate = row.get("gate", {})
    reply = _text(row["filtered_resps"])
    said = _text(row.get("resps", row["filtered_resps"]))
    counted = (row.get("token_counts") or [None])[0] or {}
    return Sample(
        position=row["doc_id"],
        name=str(gate.get("id", row["doc_id"])),
        question=gate.get("digest") or _digest(row),
        subject=gate.get("subject", "all"),
        reply=said,
        target=str(row.get("target", "")),
        score=float(gate["score"]) if "score" in gate and score is None else _score(row, score),
        chance=gate.get("chance"),
        unreadable=gate.get("unreadable", False),
        failure=next((text[:200] for text in (said, reply) if text.startswith(FAILED)), None),
        prompt_tokens=counted.get("input_tokens") or None,
        reply_tokens=counted.get("output_tokens") or None,
    )


def _text(replies: Any) -> str:
    while isinstance(replies, list):
        replies = replies[0]
    return "" if replies is None else str(replies)


def _score(row: Mapping[str, Any], name: str | None) -> float:
    scores = {key: value for key, value in row.items() if _is_score(key, value)}
    if name is not None:
        if name not in scores:
            raise ValueError(f"no score {name!r}, found {sorted(scores)}")
        return float(scores[name])
    if len(scores) != 1:
        raise ValueError(f"found the scores {sorted(scores)}: name one with --score")
    return float(next(iter(scores.values())))


def _is_score(key: str, value: Any) -> bool:
    return key != "doc_id" and isinstance(value, (bool, int, float)) and 0 <= value <= 1


def _digest(row: Mapping[str, Any]) -> str:
    """Of what a task without the gate's own digest tells of its question: text and target."""
    told = json.dumps([row.get("input"), row.get("target")], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
