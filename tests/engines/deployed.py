"""A server of several processes: what it answers, and what its status file tells meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine_ext import status
from engine_ext.doctor import launches, status_file
from evals import checkpoints
from evals.checkpoints.questions import conversations
from evals.serving.asking import Reply, ask
from evals.serving.engines import ENGINES
from evals.serving.servers import Server, free_port, running
from tests.engines.limits import NAME, settings

START_SECONDS = 900
"""Five processes that import an engine on two cores that others use too."""


@dataclass(frozen=True)
class Deployed:
    """Replies of each round, what `engine-ext doctor --status` reports of the server while it
    runs (None where no process has written a line), and its log."""

    rounds: list[dict[str, Reply]]
    report: dict[str, Any] | None
    log: str

    def by_role(self, role: str) -> list[dict[str, Any]]:
        assert self.report is not None
        return [one for one in self.report["processes"] if role in one["roles"]]


def deploy(
    family: str, folder: Path, switch: Mapping[str, str], *, rounds: int = 1, **layout: Any
) -> Deployed:
    """Start a server in a layout, ask it everything ``rounds`` times, and stop it."""
    with started(family, folder, switch, **layout) as server:
        asked = conversations(family)
        # A client each: connections are spread over processes.
        replies = [
            {name: ask(server.client(), server.model, content) for name, content in asked.items()}
            for _ in range(rounds)
        ]
        file = _status(folder)
        report = launches.examine(status_file.read(file)) if file.exists() else None
    return Deployed(replies, report, server.log.read_text())


@contextmanager
def started(
    family: str, folder: Path, switch: Mapping[str, str], **layout: Any
) -> Iterator[Server]:
    """A server in a layout, with its log and its status file in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    name, port = checkpoints.path(family).name, free_port()
    command, environ = _command(family, port, layout), _environ(folder, switch)
    with running(command, name, port, _log(folder), environ, START_SECONDS) as server:
        yield server


@contextmanager
def another_command(
    family: str, folder: Path, switch: Mapping[str, str], **layout: Any
) -> Iterator[Path]:
    """A command of the same deployment that takes no requests, as on another node.

    Yields:
        Its status file.
    """
    folder.mkdir(parents=True)
    command = _command(family, free_port(), layout)
    environ = {**os.environ, **_environ(folder, switch)}
    with _log(folder).open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=environ, start_new_session=True
        )
    try:
        yield _status(folder)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _log(folder: Path) -> Path:
    return folder / "log"


def _status(folder: Path) -> Path:
    return folder / "status.jsonl"


def _command(family: str, port: int, layout: Mapping[str, Any]) -> list[str]:
    engine, model = ENGINES[NAME], checkpoints.path(family)
    given = {**engine.cpu_settings, **settings(family), **layout}
    return engine.launch(str(model), model.name, port, given)


def _environ(folder: Path, switch: Mapping[str, str]) -> dict[str, str]:
    return {**ENGINES[NAME].cpu_environ, status.VARIABLE: str(_status(folder)), **switch}
