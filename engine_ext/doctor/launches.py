"""Which processes of a launch are there, and do they agree.

A process without the extension writes nothing to the status file, so what is missing is known by
what the others say that the launch consists of.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator
from typing import Any

from engine_ext.doctor.status_file import Line
from engine_ext.status import MODEL, POSITIONS, SENDER, namespace, started

RUNNING, ENDED = "running", "ended"
OTHER_HOST, OTHER_CONTAINER = "on another host", "in another container"
"""Of what cannot be looked at from here. A container may have the name of its host, or of the one
before it: its numbers of processes tell it apart, which count in a namespace of their own."""
SAME = {
    "engine_ext": "version of the extension",
    "engine": "engine",
    "engine_version": "version of the engine",
    "features": "features",
}
"""What all processes of a launch should say alike."""


def examine(lines: Iterable[Line]) -> dict[str, Any]:
    """The newest launch of a status file, and how many there were before, as plain data.

    ``problems`` says what is missing in the newest, and what its processes do not agree on.
    """
    launches: dict[str, list[Line]] = {}
    for line in sorted(lines, key=lambda one: one["time"]):
        launches.setdefault(line["launch"], []).append(line)
    newest = [*launches][-1]  # by their first lines
    processes = _processes(launches.pop(newest))
    return {
        "launch": newest,
        "processes": processes,
        "problems": [*_missing(processes), *_disagreements(processes)],
        "earlier": [_summary(name, _processes(found)) for name, found in launches.items()],
    }


def _processes(lines: Iterable[Line]) -> list[Line]:
    """One for each process: its last line of a model and of what it sends, and its positions."""
    found: dict[tuple[Any, ...], Line] = {}
    for line in lines:
        who = tuple(line[name] for name in ("host", "namespace", "pid", "started"))
        own = found.setdefault(who, {"state": _state(line), "roles": [], "positions": []})
        if line["role"] == POSITIONS:
            own["positions"].append(" ".join(map(str, line["in_use"])))
        elif line["role"] not in own["roles"]:
            own["roles"].append(line["role"])
        own.update({name: value for name, value in line.items() if name != "role"})
    return list(found.values())


def _state(line: Line) -> str:
    if line["host"] != platform.node():
        return OTHER_HOST
    if line["namespace"] != namespace():
        return OTHER_CONTAINER
    return RUNNING if line["started"] and started(line["pid"]) == line["started"] else ENDED


def _summary(name: str, processes: list[Line]) -> dict[str, Any]:
    running = sum(one["state"] == RUNNING for one in processes)
    return {"launch": name, "processes": len(processes), "running": running}


def _missing(processes: list[Line]) -> Iterator[str]:
    ended = [one for one in processes if one["state"] == ENDED]
    if len(ended) == len(processes):
        yield "none of its processes is running any more"
        return
    states = {one["state"] for one in processes}
    if OTHER_CONTAINER in states and not states & {RUNNING, ENDED}:
        yield (
            "its processes were in another container of this host's name, which may have ended:"
            " none can be looked at from here, run this command in that container"
        )
    for one in ended:
        yield f"process {one['pid']} ({', '.join(one['roles'])}) has ended"
    models, senders = ([p for p in processes if role in p["roles"]] for role in (MODEL, SENDER))
    expected_models = _expected_models(processes)
    yield from _too_few("model", len(models), expected_models)
    expected = max((one.get("expects", {}).get("senders", 0) for one in processes), default=0)
    if senders:  # those of old engines say nothing
        yield from _too_few("sender", len(senders), expected)
    is_short = len(models) < max(expected_models, 1)
    if is_short and (sending := [str(one["pid"]) for one in senders if one.get("sends")]):
        yield (
            f"process {', '.join(sending)} sends pixels, and not every process with a model has"
            " said that it takes them: without the extension it refuses them"
        )


def _expected_models(processes: list[Line]) -> int:
    """By what makes requests ready (all of a node), or by each part of a data-parallel engine."""
    of_senders = [one.get("expects", {}).get("models", 0) for one in processes if "sends" in one]
    of_parts = {
        one["part"]: one["expects"].get("models", 0)
        for one in processes
        if MODEL in one["roles"] and "part" in one
    }
    found: int = max([sum(of_parts.values()), *of_senders])
    return found


def _too_few(role: str, count: int, expected: int) -> Iterator[str]:
    if count < expected:
        yield (
            f"{count} of {expected} processes of role {role!r} are here: the others are still"
            " starting, or have no extension, or ENGINE_EXT=off, or another status file"
        )


def _disagreements(processes: list[Line]) -> Iterator[str]:
    for name, shown in SAME.items():
        by_value: dict[str, list[str]] = {}
        for one in processes:
            if name in one:
                value = one[name] if isinstance(one[name], str) else json.dumps(one[name])
                by_value.setdefault(value, []).append(str(one["pid"]))
        if len(by_value) > 1:
            said = "; ".join(f"{value}: {', '.join(pids)}" for value, pids in by_value.items())
            yield f"processes differ in the {shown}: {said}"
