"""The result of a gate as data, `report.json`: docs/gate.md documents each field."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import engine_ext
from evals.gate.comparison import Comparison, Pair, Row
from evals.gate.logprobs import Compared
from evals.gate.statistics import share_interval
from evals.gate.validity import Arm
from evals.gate.verdict import Judged

SCHEMA = 1


def summary(
    judged: Judged,
    settings: Mapping[str, Any],
    arms: Sequence[Arm],
    comparison: Comparison | None,
    compared: Sequence[Compared],
    pictures: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything there is to know of a run, as JSON has it.

    Args:
        settings: what was asked and how it is judged.
        comparison: None where nothing could be compared.
        pictures: text and pictures of the flipped questions, by position.
    """
    return {
        "schema": SCHEMA,
        "engine_ext": engine_ext.__version__,
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "verdict": judged.verdict.name,
        "reasons": list(judged.reasons),
        "warnings": list(judged.warnings),
        "settings": dict(settings),
        "arms": {arm.name: _arm(arm, settings["max_new_tokens"]) for arm in arms},
        "overall": None if comparison is None else _row(comparison.overall),
        "subjects": [] if comparison is None else [_row(row) for row in comparison.subjects],
        "replies_differing": None if comparison is None else comparison.count_differing,
        "flipped": [] if comparison is None else [_pair(p, pictures) for p in comparison.flipped],
        "logprobs": [asdict(one) for one in compared],
    }


def write(result: Mapping[str, Any], folder: Path) -> Path:
    file = folder / "report.json"
    file.write_text(json.dumps(result, indent=1, default=str) + "\n")
    return file


def _arm(arm: Arm, limit: int) -> dict[str, Any]:
    replaced = {one["name"]: one for line in arm.status or () for one in line["modules"]}
    return {
        "questions": len(arm.samples),
        "dataset_sha256": arm.dataset,
        "extension_known": arm.status is not None,
        "replaced": sorted(replaced),
        "cut_at_limit": sum(sample.is_cut(limit) for sample in arm.samples),
        "empty": sum(sample.is_empty for sample in arm.samples),
        "unanswered": sum(sample.is_no_answer(limit) for sample in arm.samples),
        "environment": dict(arm.environment),
    }


def _row(row: Row) -> dict[str, Any]:
    scores = asdict(row.scores)
    for arm in ("baseline", "candidate"):
        right = round(scores[arm] * row.scores.count)
        scores[f"{arm}_interval"] = share_interval(right, row.scores.count)
    return {
        "subject": row.subject,
        **scores,
        "identical": row.identical,
        "unreadable": {"baseline": row.unreadable[0], "candidate": row.unreadable[1]},
    }


def _pair(pair: Pair, pictures: Mapping[str, Any]) -> dict[str, Any]:
    shown = pictures.get(str(pair.baseline.position), {})
    return {
        "position": pair.baseline.position,
        "name": pair.baseline.name,
        "subject": pair.subject,
        "outcome": "lost" if pair.candidate.score < pair.baseline.score else "won",
        "baseline": pair.baseline.reply,
        "candidate": pair.candidate.reply,
        "target": pair.baseline.target,
        "text": shown.get("text"),
        "pictures": shown.get("pictures", []),
    }
