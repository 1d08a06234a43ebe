"""The result of a gate as data, `report.json`: docs/gate.md documents each field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

import engine_ext
from evals.gate.comparison import Comparison, Pair
from evals.gate.logprobs import Compared
from evals.gate.validity import Arm
from evals.gate.verdict import Judged

SCHEMA = 1


def summary(
    judged: Judged,
    settings: Mapping[str, Any],
    arms: Sequence[Arm],
    comparison: Comparison | None,
    compared: Sequence[Compared],
    pictures: Mapping[int, Any],
) -> dict[str, Any]:
    """Everything there is to know of a run, as JSON has it.

    Args:
        settings: what was asked and how it is judged.
        comparison: None where nothing could be compared.
        pictures: text and pictures of the flipped questions, by position.
    """
    result = {
        "schema": SCHEMA,
        "engine_ext": engine_ext.__version__,
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "verdict": judged.verdict.name,
        "reasons": list(judged.reasons),
        "warnings": list(judged.warnings),
        "settings": dict(settings),
        "servers": {arm.name: _arm(arm, settings["max_new_tokens"]) for arm in arms},
        "overall": None,
        "subjects": [],
        "replies_differing": None,
        "flipped": [],
        "logprobs": [asdict(one) for one in compared],
    }
    if comparison is not None:
        result["overall"] = asdict(comparison.overall)
        result["subjects"] = [asdict(row) for row in comparison.subjects]
        result["replies_differing"] = comparison.count_differing
        result["flipped"] = [_pair(pair, pictures) for pair in comparison.flipped]
    return result


def _arm(arm: Arm, limit: int) -> dict[str, Any]:
    return {
        "questions": len(arm.samples),
        "asked": arm.asked,
        "dataset_sha256": arm.dataset,
        "extension_known": arm.status is not None,
        "features": sorted(arm.features),
        "used": sorted(arm.used),
        "replaced": arm.replaced,
        "cut_at_limit": sum(sample.is_cut(limit) for sample in arm.samples),
        "empty": sum(sample.is_empty for sample in arm.samples),
        "unanswered": sum(sample.is_no_answer(limit) for sample in arm.samples),
        "environment": dict(arm.environment),
    }


def _pair(pair: Pair, pictures: Mapping[int, Any]) -> dict[str, Any]:
    before, after = pair
    return {
        "position": before.position,
        "name": before.name,
        "subject": before.subject,
        "outcome": "lost" if after.score < before.score else "won",
        "baseline": before.reply,
        "candidate": after.reply,
        "target": before.target,
        **pictures.get(before.position, {"text": None, "pictures": []}),
    }
