"""The arms of a serving benchmark: servers by turns, and what came of each load."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from rich.progress import Progress

from benchmarks import device as devices
from benchmarks.record import Row, compared
from benchmarks.serve_load import Load, Measured, content, send
from benchmarks.serve_tables import OFF, PIXELS
from benchmarks.timing import Times
from benchmarks.towers import DTYPE
from engine_ext import status
from evals.serving.asking import Reply, ask
from evals.serving.engines import Engine
from evals.serving.servers import Server, cpu_server
from evals.soak.memory import sample

TOLERANCE = 0.03  # nats, of the first token's log-probability between the arms, in bf16
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "sglang": {
        "context_length": 32768,
        "max_total_tokens": 65536,
        "max_running_requests": 16,
        "disable_radix_cache": True,  # of a prompt sent again nothing would be left to time
    },
    "vllm": {
        "max_model_len": 32768,
        "max_num_batched_tokens": 32768,
        "max_num_seqs": 16,
        "limit_mm_per_prompt": {"image": 4, "video": 0},
        "skip_mm_profiling": True,
    },
}


class WrongArm(ArithmeticError):
    """An arm is not what it is to be, or answers otherwise than the other."""


class Arms:
    """The arms, and what came of each load in each round.

    Args:
        what: the benchmark, as its rows have it.
        model: folder of the checkpoint.
        generator: the executable ``vllm``.
        folder: for logs and files of the load.
        environ: variables of each arm but that without the extension, by its name.
        shared: variables of every arm.
        settings: of the engine, of some arms on top of those of all.
    """

    def __init__(
        self,
        what: str,
        engine: Engine,
        model: Path,
        generator: Path,
        folder: Path,
        environ: Mapping[str, Mapping[str, str]],
        shared: Mapping[str, str] | None = None,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.what = what
        self.engine, self.model, self.generator, self.folder = engine, model, generator, folder
        self.environ = {OFF: {"ENGINE_EXT": "off"}, **environ}
        self.shared, self.settings = shared or {}, settings or {}
        self.measured: dict[tuple[str, Load], list[Measured]] = {}
        self.memory: dict[str, list[float]] = {arm: [] for arm in self.environ}
        self.asked: dict[Load, list[Reply]] = {}

    def measure(
        self,
        loads: Sequence[Load],
        rounds: int,
        first: Callable[[str, Server], None] = lambda arm, server: None,
    ) -> None:
        """Start each arm ``rounds`` times, by turns, and send every load to each server.

        Args:
            first: called with each server before its loads.

        Raises:
            WrongArm: an arm has replaced what it should not or not what it should, or answers
                otherwise than the other.
        """
        with Progress(transient=True) as progress:
            total = len(self.environ) * rounds * len(loads)
            bar = progress.add_task(self.what, total=total)
            for _ in range(rounds):
                for arm in self.environ:
                    progress.update(bar, description=f"{arm}: start")
                    with self._server(arm) as server:
                        first(arm, server)
                        for load in loads:
                            self._ask(load, server)
                            shown = f"{arm}: {load.shown}, {load.concurrency} at a time"
                            progress.update(bar, description=shown)
                            found = send(load, server, self.model, self.generator, self.folder)
                            self.measured.setdefault((arm, load), []).append(found)
                            progress.advance(bar)
                        self.memory[arm].append(sample(psutil.Process(server.process.pid), 0).mib)

    @contextmanager
    def _server(self, arm: str) -> Iterator[Server]:
        written, log = self.folder / "status.jsonl", self.folder / f"{arm}.log"
        written.unlink(missing_ok=True)
        environ = {**self.shared, **self.environ[arm], status.VARIABLE: str(written)}
        settings = {**SETTINGS[self.engine.name], **self.settings.get(arm, {})}
        features = self.environ[arm]["ENGINE_EXT"]
        with cpu_server(self.engine, self.model, log, environ=environ, **settings) as server:
            lines = status.read(written)
            modules = [one for line in lines for one in line["modules"]]
            if bool(modules) != (features != "off"):
                replaced = ", ".join(one["name"] for one in modules) or "nothing"
                raise WrongArm(f"the arm {arm!r} replaced {replaced}")
            if any(PIXELS in line["features"] for line in lines) != (PIXELS in features):
                raise WrongArm(f"the arm {arm!r}: pixels are on, or are not")
            yield server

    def _ask(self, load: Load, server: Server) -> None:
        """The first request of a load, whose answer must be that of all servers before."""
        replies = self.asked.setdefault(load, [])
        replies.append(ask(server.client(), server.model, content(load), max_tokens=1))
        if not self.difference(load) <= TOLERANCE:
            found = f"{self.difference(load):.3g} nats"
            raise WrongArm(f"first tokens differ by {found}, expected {TOLERANCE} at most")

    def difference(self, load: Load) -> float:
        """Nats, of the first token's log-probability, at most between two servers."""
        first = [reply.logprobs[0] for reply in self.asked[load]]
        return max(first) - min(first)

    def rows(self, tower: str) -> Iterator[Row]:
        """Of each load that both arms have had: latencies of its requests, rates of its rounds."""
        for load, replies in self.asked.items():
            runs = {arm: self.measured.get((arm, load), []) for arm in self.environ}
            if not all(runs.values()) or not all(self.memory.values()):
                continue
            for name in ("first_token", "end_to_end"):
                times = {
                    arm: Times.of([one for run in found for one in getattr(run, name)])
                    for arm, found in runs.items()
                }
                yield from self._compared(name.replace("_", " "), tower, load, times, "ms")
            units = {"requests": 1, "images": load.images, "tokens": replies[0].prompt_tokens}
            for unit, each in units.items():
                rates = {
                    arm: Times.of([each * load.requests / run.seconds for run in found])
                    for arm, found in runs.items()
                }
                yield from self._compared("throughput", tower, load, rates, f"{unit}/s")

    def _compared(
        self, what: str, tower: str, load: Load, found: Mapping[str, Times], unit: str
    ) -> Iterator[Row]:
        rows = compared(
            found,
            OFF,
            what=f"{self.what}, {what}",
            shape=f"{tower}, {load.shown}",
            count=load.concurrency,
            dtype=DTYPE,
            device=devices.name("cpu"),
            difference=self.difference(load),
            unit=unit,
            engine=devices.engine(),
        )
        for row in rows:
            yield replace(row, peak_mib=statistics.median(self.memory[row.provider]))
