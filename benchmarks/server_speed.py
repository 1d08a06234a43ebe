"""How fast servers with a released model's tower are, off and on by turns, on one GPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import device as devices
from benchmarks import stages
from benchmarks.record import Row, compared
from benchmarks.serve_load import QUESTION
from benchmarks.server_arms import Kept, Setting, started
from benchmarks.server_equal import ask, devices_here
from benchmarks.timing import Times
from benchmarks.towers import DTYPE
from evals.media.content import part
from evals.media.photographs import photograph
from evals.serving.servers import Server

WARMING = 3
"""Requests to each server before any is timed."""
AT_ONCE = 4


@dataclass(frozen=True)
class Measured:
    """What is measured, and where its results go.

    Args:
        variables: of each server, by name.
        image: width and height in pixels.
        rounds: by turns.
    """

    model: Path
    variables: Mapping[str, Mapping[str, str]]
    setting: Setting
    kept: Kept
    record: Callable[[list[Row]], None]
    image: tuple[int, int]
    rounds: int

    @contextmanager
    def servers(
        self, variables: Mapping[str, Mapping[str, str]]
    ) -> Iterator[tuple[dict[str, Server], Pictures]]:
        """Servers that have been warmed, and pictures that none of them has seen."""
        wanted = {name: (self.model, own) for name, own in variables.items()}
        with started(wanted, self.setting, self.kept, self.model.parent) as servers:
            pictures = Pictures(self.image)
            _warm(servers, pictures, self.kept)
            yield servers, pictures

    def add(self, what: str, count: int, found: Mapping[str, list[float]], unit: str) -> None:
        """Record and say what was found of each server."""
        width, height = self.image
        rows = compared(
            {name: Times.of(each) for name, each in found.items()},
            "off",
            what=f"gpu_server, {what}",
            shape=f"{self.model.name}, 1 x {width}x{height}",
            count=count,
            dtype=DTYPE,
            device=devices.name(devices_here()),
            unit=unit,
            engine=devices.engine(),
        )
        self.record(rows)
        for row in rows:
            times = f"{row.median:.4g} {unit} ({row.low:.4g}, {row.high:.4g})"
            self.kept.say(f"{what}: {row.provider}: {times}")


def speed(measured: Measured) -> None:
    """Time to the first token of one image, and requests a second of four at once."""
    with measured.servers(measured.variables) as (servers, pictures):
        first: dict[str, list[float]] = {name: [] for name in servers}
        rates: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(measured.rounds):
            for name, server in servers.items():
                first[name] += [pictures.one(server) for _ in range(3)]
        measured.add("first token", 1, first, "ms")
        for _ in range(max(2, measured.rounds // 2)):
            for name, server in servers.items():
                rates[name].append(pictures.rate(server, AT_ONCE, 3 * AT_ONCE))
        measured.add("throughput", AT_ONCE, rates, "requests/s")


def stages_of(measured: Measured) -> None:
    """What each stage of one image takes, the GPU waited for at both ends of each."""
    folders, variables = {}, {}
    for name, own in measured.variables.items():
        folder = folders[name] = measured.model.parent / f"stages-{name}"
        folder.mkdir(exist_ok=True)
        timed = {**stages.environ(folder, is_stubbed=False), stages.WAITS: "1"}
        variables[name] = {**own, **timed}
    with measured.servers(variables) as (servers, pictures):
        found: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
        for _ in range(measured.rounds):
            for name, server in servers.items():
                stages.take(folders[name])
                whole = pictures.one(server)
                spent, _ = stages.take(folders[name])
                found[name].append({**spent, "whole request": whole})
        for stage in (*stages.STAGES, "whole request"):
            took = {name: [one[stage] for one in each] for name, each in found.items()}
            if all(max(each) > 0 for each in took.values()):
                measured.add(f"stage, {stage}", 1, took, "ms")


class Pictures:
    """Requests of one photograph each, no two alike."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size, self.number = size, 0

    def content(self) -> list[dict[str, Any]]:
        self.number += 1
        picture = part("image/jpeg", photograph(self.number, self.size))
        return [picture, {"type": "text", "text": QUESTION}]

    def one(self, server: Server) -> float:
        """Milliseconds of a request that is answered by one token."""
        content = self.content()
        begun = time.perf_counter()
        ask(server, content, max_tokens=1)
        return 1e3 * (time.perf_counter() - begun)

    def rate(self, server: Server, at_once: int, count: int) -> float:
        """Requests a second, so many at a time."""
        contents = [self.content() for _ in range(count)]
        with ThreadPoolExecutor(at_once) as pool:
            begun = time.perf_counter()
            list(pool.map(lambda content: ask(server, content, max_tokens=4), contents))
            return count / (time.perf_counter() - begun)


def _warm(servers: Mapping[str, Server], pictures: Pictures, kept: Kept) -> None:
    for arm, server in servers.items():
        took = [pictures.one(server) for _ in range(WARMING)]
        kept.say(f"{arm}: first requests took {', '.join(f'{one:.0f}' for one in took)} ms")
    content = pictures.content()
    answers = {arm: ask(server, content) for arm, server in servers.items()}
    stock = answers["off"]
    for arm, answer in answers.items():
        same = "equal" if answer.tokens == stock.tokens else "DIFFERENT"
        kept.say(f"{arm}: {same} tokens, {answer.shown(stock)}")
