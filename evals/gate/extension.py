"""What the status lines of a server say of the extension: what is on, and what has been done by it.

A feature that is on may have done nothing: images are sent as before, rope positions are left to
the engine, a projection is multiplied already. Then both servers do the same, and a run says
nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine_ext.status import MODEL, POSITIONS, SENDER

Lines = Sequence[Mapping[str, Any]]


def holds_model(lines: Lines) -> bool:
    return any(line["role"] == MODEL for line in lines)


def replaced(lines: Lines) -> list[str]:
    """The modules that are."""
    return sorted({one["name"] for line in _of(MODEL, lines) for one in line["modules"]})


def on(lines: Lines) -> set[str]:
    """Features that are on in any of its processes."""
    return {feature for line in lines for feature in line.get("features", ())}


def used(lines: Lines) -> set[str]:
    """Those that have done something in one of its processes."""
    found = {"linear"} if replaced(lines) else set()
    if any(line["in_use"] for line in _of(POSITIONS, lines)):
        found.add("mrope")
    for line in _of(SENDER, lines):
        if line["sends"]:
            found |= {"pixels"} & set(line["features"])
        if "image" in line["sends"]:
            found |= {"resize"} & set(line["features"])
    return found


def why_unused(lines: Lines, feature: str) -> str:
    """Why a feature that is on has done nothing, as far as the processes say."""
    if feature == "linear":
        left = {one["reason"] for line in _of(MODEL, lines) for one in line.get("left_alone", ())}
        return "; ".join(sorted(left)) or "no convolution to replace"
    if feature == "mrope":
        return "no rope positions of a request were computed by it"
    as_before = {
        f"{kind}s are sent as before: {reason}"
        for line in _of(SENDER, lines)
        for kind, reason in line["as_before"].items()
    }
    return "; ".join(sorted(as_before)) or "no process has said what it sends"


def _of(role: str, lines: Lines) -> Lines:
    return [line for line in lines if line["role"] == role]
