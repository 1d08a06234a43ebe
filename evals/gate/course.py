"""The course of a gate: one arm after the other, each served, asked and kept in a folder."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from evals.gate import alike, harness, logprobs, probes, samples, tasks
from evals.gate.arms import Endpoint
from evals.gate.client import client
from evals.gate.dataset import digest
from evals.gate.harness import HarnessFailed, Tick
from evals.gate.validity import Arm
from evals.serving import status_lines

SAMPLES, ARM, PROBED = "samples.jsonl", "arm.json", "logprobs.jsonl"

Serve = Callable[[Path], AbstractContextManager[Endpoint]]
"""Given a file for its log, a server."""


@dataclass(frozen=True)
class Gate:
    """What both arms are asked, and where it is kept."""

    options: argparse.Namespace
    console: Console

    @property
    def folder(self) -> Path:
        return self.options.out.resolve()

    @property
    def task(self) -> Path:
        """The folder of the task that both arms are asked."""
        return self.folder / "task"

    def run(self, name: str, serve: Serve, status_file: Path | None) -> Arm:
        """Serve, ask and keep everything in a folder of the arm's name.

        Args:
            status_file: where the server writes its status lines; None where nobody knows.
        """
        folder, dataset = self.folder / name, self.options.dataset
        folder.mkdir(parents=True, exist_ok=True)
        before = dataset and digest(dataset)
        columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn()
        columns = *columns, MofNCompleteColumn(), TimeElapsedColumn()
        with Progress(*columns, console=self.console) as progress:
            starting = progress.add_task(f"{name}: starting the server", total=None)
            with serve(folder / "server.log") as endpoint:
                progress.update(starting, total=1, completed=1, description=f"{name}: serving")
                tick = _bar(progress, f"{name}: asking")
                file = harness.ask(self.options, self.task, endpoint, folder, tick)
                if self.options.logprobs:
                    tick = _bar(progress, f"{name}: log-probabilities")
                    self._probe(endpoint, folder / PROBED, tick)
                # While it serves: it has said what it says with a request, and has not ended.
                status = None if status_file is None else status_lines.of_running(status_file)
        shutil.copy(file, folder / SAMPLES)
        facts = {
            "asked": alike.asked(self.options, endpoint.model),
            "dataset": dataset and digest(dataset),
            "status": status,
            "environment": endpoint.environment,
        }
        (folder / ARM).write_text(json.dumps(facts, indent=1, default=str) + "\n")
        if facts["dataset"] != before:
            raise HarnessFailed(f"the data set changed while {name} was asked")
        return stored(name, folder / SAMPLES, self.options.score)

    def pictures(self, positions: Sequence[int]) -> dict[int, Any]:
        """Text and pictures of questions, by position.

        Raises:
            HarnessFailed: the data set cannot be read.
        """
        with _reading():
            task, docs = self._loaded
            return {position: probes.question(task, docs[position]) for position in positions}

    def _probe(self, endpoint: Endpoint, file: Path, tick: Tick) -> None:
        options = self.options
        with _reading():
            asked = list(probes.probes(*self._loaded, options.logprobs))
        every: dict[str, Any] = {"model": endpoint.model}
        if options.no_thinking:
            every["chat_template_kwargs"] = {"enable_thinking": False}
        with client(endpoint.url, options.api_key_env) as http:
            found = logprobs.ask(asked, http, endpoint.url, every, options.concurrency, tick)
        file.write_text("".join(json.dumps(asdict(one)) + "\n" for one in found))

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        return tasks.load(self.task)


@contextmanager
def _reading() -> Iterator[None]:
    """Code of a task and of the hub's client, which raise whatever they do."""
    try:
        yield
    except Exception as error:
        raise HarnessFailed(f"reading the data set failed: {error!r:.500}") from error


def _bar(progress: Progress, doing: str) -> Tick:
    bar = progress.add_task(doing, total=None)
    return lambda done, total: progress.update(bar, completed=done, total=total)


def stored(name: str, file: Path, score: str | None) -> Arm:
    """An arm as it was left in a folder, or a file of samples alone.

    Raises:
        BadSamples: the file is none, or what is beside it is not what `Gate.run` writes.
    """
    facts: Any = {}
    if (beside := file.parent / ARM).exists():
        try:
            facts = json.loads(beside.read_text())
        except ValueError as error:
            raise samples.BadSamples(f"{beside}: {error}") from error
        if not isinstance(facts, dict):
            raise samples.BadSamples(f"{beside}: found {facts!r:.80}, expected a JSON object")
    return Arm(
        name=name,
        samples=samples.read(file, score),
        asked=facts.get("asked"),
        dataset=facts.get("dataset"),
        status=facts.get("status"),
        environment=facts.get("environment", {"samples": str(file)}),
    )


def probed(folder: Path) -> Sequence[logprobs.First] | None:
    """The answers to the probes that an arm left, or None.

    Raises:
        ProbeFailed: something else is in the file.
    """
    file = folder / PROBED
    if not file.exists():
        return None
    found = []
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        try:
            found.append(logprobs.First(**json.loads(line)))
        except (TypeError, ValueError, AttributeError) as error:
            said = f"{file}, line {number}: {error!r} in {line[:120]}"
            raise logprobs.ProbeFailed(said) from error
    return found
