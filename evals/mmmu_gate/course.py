"""The course of a gate: one arm after the other, then the comparison."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
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

from engine_ext import status
from evals.mmmu_gate import logprobs, samples
from evals.mmmu_gate.arms import Endpoint
from evals.mmmu_gate.dataset import parquet_files
from evals.mmmu_gate.harness import Harness, HarnessFailed, Questions
from evals.mmmu_gate.validity import Arm
from evals.project import PROJECT

SAMPLES, ARM, PROBED = "samples.jsonl", "arm.json", "logprobs.jsonl"

Serve = Callable[[Path], AbstractContextManager[Endpoint]]
"""Given a file for its log, a server."""


@dataclass(frozen=True)
class Gate:
    """What both arms have in common.

    Args:
        probes: how many stills to ask with log-probabilities; 0 for none.
        score: the metric that holds the score, None for the one there is.
    """

    harness: Harness
    questions: Questions
    folder: Path
    concurrency: int
    probes: int
    score: str | None
    console: Console

    def run(self, name: str, serve: Serve, status_file: Path | None) -> Arm:
        """Serve, ask and keep everything in a folder of the arm's name.

        Args:
            status_file: where the server writes its status lines; None where nobody knows.
        """
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        before = digest(self.questions.dataset)
        with self._progress() as progress:
            starting = progress.add_task(f"{name}: starting the server", total=None)
            with serve(folder / "server.log") as endpoint:
                progress.update(starting, total=1, completed=1, description=f"{name}: serving")
                file = self._ask(progress, name, endpoint, folder)
                if self.probes:
                    self._probe(progress, name, endpoint, folder)
        shutil.copy(file, folder / SAMPLES)
        facts = {
            "dataset": digest(self.questions.dataset),
            "questions": asdict(self.questions),
            "status": None if status_file is None else status.read(status_file),
            "environment": endpoint.environment,
        }
        (folder / ARM).write_text(json.dumps(facts, indent=1, default=str) + "\n")
        if facts["dataset"] != before:
            raise HarnessFailed(f"the data set changed while {name} was asked")
        return stored(name, folder / SAMPLES, self.score)

    def _ask(self, progress: Progress, name: str, endpoint: Endpoint, folder: Path) -> Path:
        tick = _bar(progress, f"{name}: asking")
        return self.harness.ask(
            self.questions,
            endpoint.url,
            endpoint.model,
            folder,
            self.concurrency,
            tick,
            endpoint.is_alive,
        )

    def _probe(self, progress: Progress, name: str, endpoint: Endpoint, folder: Path) -> None:
        tick = _bar(progress, f"{name}: log-probabilities")
        self.export(folder, "probes", str(self.probes))
        asked = logprobs.read_probes(folder / "probes.jsonl")
        found = logprobs.ask(
            *(asked, endpoint.url, endpoint.model, self.concurrency, tick),
            *(self.questions.no_thinking, self.harness.api_key),
        )
        lines = [json.dumps(asdict(one)) + "\n" for one in found]
        (folder / PROBED).write_text("".join(lines))

    def export(self, folder: Path, *what: str) -> None:
        """Run `evals.mmmu_gate.export` over an arm's folder, in lmms-eval's environment.

        Raises:
            HarnessFailed: it failed.
        """
        command = [str(self.harness.python), "-m", "evals.mmmu_gate.export", str(folder), *what]
        ran = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise HarnessFailed(f"reading the data set failed: {ran.stderr.strip()[-500:]}")

    @contextmanager
    def _progress(self) -> Iterator[Progress]:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console) as progress:
            yield progress


def _bar(progress: Progress, doing: str) -> Callable[[int, int], None]:
    """A bar of its own: call with what is done, and all."""
    bar = progress.add_task(doing, total=None)

    def tick(done: int, total: int) -> None:
        progress.update(bar, completed=done, total=total)

    return tick


def stored(name: str, file: Path, score: str | None) -> Arm:
    """An arm as it was left in a folder, or a file of samples alone.

    Raises:
        BadSamples: the file is none.
    """
    facts: Mapping[str, Any] = {}
    if (file.parent / ARM).exists():
        facts = json.loads((file.parent / ARM).read_text())
    return Arm(
        name=name,
        samples=samples.read(file, score),
        dataset=facts.get("dataset"),
        status=facts.get("status"),
        environment=facts.get("environment", {"samples": str(file)}),
    )


def probed(folder: Path) -> Sequence[logprobs.First] | None:
    """The answers to the probes that an arm left, or None."""
    file = folder / PROBED
    if not file.exists():
        return None
    return [logprobs.First(**json.loads(line)) for line in file.read_text().splitlines()]


def digest(dataset: Path | None) -> str | None:
    """SHA-256 of a Parquet file, or of all in a folder; None for a data set of the hub."""
    if dataset is None:
        return None
    found = hashlib.sha256()
    for file in parquet_files(dataset):
        found.update(file.name.encode() + os.fsencode("\0") + file.read_bytes())
    return found.hexdigest()
