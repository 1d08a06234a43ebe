"""A server of several processes: what it answers, and what its status file tells meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine_ext import status
from engine_ext.doctor import launches, status_file
from evals import checkpoints
from evals.checkpoints.questions import conversations
from evals.serving.asking import Reply, ask
from evals.serving.engines import ENGINES
from evals.serving.servers import free_port, running
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
    folder.mkdir(parents=True, exist_ok=True)
    log, file = folder / "log", folder / "status.jsonl"
    environ = {**switch, status.VARIABLE: str(file)}
    given = {**settings(family), **layout}
    engine, model, port = ENGINES[NAME], checkpoints.path(family), free_port()
    command = engine.launch(str(model), model.name, port, {**engine.cpu_settings, **given})
    environ = {**engine.cpu_environ, **environ}
    with running(command, model.name, port, log, environ, START_SECONDS) as server:
        asked = conversations(family)
        # A client each: connections are spread over processes.
        replies = [
            {name: ask(server.client(), server.model, content) for name, content in asked.items()}
            for _ in range(rounds)
        ]
        report = launches.examine(status_file.read(file)) if file.exists() else None
    return Deployed(replies, report, log.read_text())
