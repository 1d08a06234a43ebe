"""The course of a soak: stock answers, then the server that is soaked."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from engine_ext import status
from evals import checkpoints
from evals.serving.asking import Reply
from evals.serving.engines import Engine
from evals.serving.servers import Server
from evals.soak.arm import OFF, Refusal, reference_replies, refusals, serve
from evals.soak.load import Load, prepare, run
from evals.soak.memory import Sample
from evals.soak.mixed import requests


@dataclass(frozen=True)
class Stock:
    """The reference replies of the stock engine, and what it makes of each odd request."""

    replies: dict[str, Reply]
    refusals: dict[str, Refusal]


@dataclass(frozen=True)
class Soaked:
    """What the soaked server did: reference replies before and after, and what was between.

    Args:
        warm_up: the answers during the warm-up.
        replaced: the modules that its status file names.
    """

    before: dict[str, Reply]
    after: dict[str, Reply]
    warm_up: list[dict[str, Any]]
    answers: list[dict[str, Any]]
    samples: list[Sample]
    replaced: list[dict[str, Any]]


@dataclass(frozen=True)
class Soak:
    """What to run, where it leaves logs, and the Python that has Locust."""

    engine: Engine
    family: str
    extension: str
    malloc: str
    warm_up: Load
    load: Load
    logs: Path
    locust: Path
    console: Console

    @property
    def title(self) -> str:
        return f"{self.engine.shown}, {self.family}, extension {self.extension}"

    def ask_stock(self) -> Stock:
        """Start the engine without any plugin and ask it."""
        self._say(f"{self.engine.shown}, {self.family}, stock: starting (about 40 s)")
        with self._serve(OFF, "stock") as (server, _):
            return Stock(reference_replies(server, self.family), refusals(server))

    def run(self, stock: Stock) -> Soaked:
        """Start the server to soak, ask the reference, send the mix, ask again.

        Every request of a kind that stock refuses is expected to be refused in the same way.
        """
        expected = {kind: refusal.status for kind, refusal in stock.refusals.items()}
        warm_up, mix = self._prepare(expected)
        self._say(f"{self.title}: starting (about 40 s)")
        with self._serve(self.extension, "soak") as (server, status_file):
            before = reference_replies(server, self.family)
            warm_answers, _ = self._send(server, self.warm_up, warm_up, "warming up")
            answers, samples = self._send(server, self.load, mix, "soaking")
            after = reference_replies(server, self.family)
            lines = status.read(status_file)
        replaced = [module for line in lines for module in line["modules"]]
        return Soaked(before, after, warm_answers, answers, samples, replaced)

    def _serve(self, extension: str, name: str) -> AbstractContextManager[tuple[Server, Path]]:
        return serve(self.engine, self.family, extension, self.malloc, self.logs, name)

    def _prepare(self, expected: Mapping[str, int]) -> tuple[Path, Path]:
        warm_up, mix = self.logs / "warm-up.jsonl", self.logs / "soak.jsonl"
        first = self.warm_up.prepared
        both = requests(self.family, first + self.load.prepared)
        model = checkpoints.path(self.family).name
        prepare(warm_up, itertools.islice(both, first), model, expected)
        prepare(mix, both, model, expected)
        return warm_up, mix

    def _send(
        self, server: Server, load: Load, prepared: Path, doing: str
    ) -> tuple[list[dict[str, Any]], list[Sample]]:
        if not load.minutes:
            return [], []
        columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
        memory = TextColumn("{task.fields[memory]}")
        with Progress(*columns, memory, console=self.console) as progress:
            bar = progress.add_task(doing, total=load.seconds, memory="")

            def tick(seconds: float, mib: float) -> None:
                progress.update(bar, completed=seconds, memory=f"{mib:.0f} MiB")

            return run(self.locust, server, load, prepared, tick)

    def _say(self, line: str) -> None:
        self.console.print(line, highlight=False)
