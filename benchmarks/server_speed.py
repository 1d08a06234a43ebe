"""How fast servers with a released model's tower are, off and on by turns, on one GPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import device as devices
from benchmarks import stages
from benchmarks.record import Row, compared
from benchmarks.serve_load import QUESTION, photograph
from benchmarks.server_arms import Kept, Setting, started
from benchmarks.server_equal import ask, devices_here
from benchmarks.timing import Times
from benchmarks.towers import DTYPE
from evals.data_url import data_url
from evals.servers import Server

WARMING = 3
"""Requests to each server before any is timed."""
AT_ONCE = 4
Record = Callable[[list[Row]], None]


def speed(
    model: Path,
    arms: Mapping[str, Mapping[str, str]],
    setting: Setting,
    kept: Kept,
    record: Record,
    options: Any,
) -> None:
    """Time to the first token of one image, and requests a second of four at once."""
    wanted = {arm: (model, environ) for arm, environ in arms.items()}
    with started(wanted, setting, kept, model.parent) as servers:
        pictures = Pictures(tuple(options.image))
        _warm(servers, pictures, kept)
        first: dict[str, list[float]] = {arm: [] for arm in arms}
        rates: dict[str, list[float]] = {arm: [] for arm in arms}
        for _ in range(options.rounds):
            for arm, server in servers.items():
                first[arm] += [pictures.one(server) for _ in range(3)]
        shape = pictures.shape(model)
        _record("first token", shape, 1, first, "ms", kept, record)
        for _ in range(max(2, options.rounds // 2)):
            for arm, server in servers.items():
                rates[arm].append(pictures.rate(server, AT_ONCE, 3 * AT_ONCE))
        _record("throughput", shape, AT_ONCE, rates, "requests/s", kept, record)


def stages_of(
    model: Path,
    arms: Mapping[str, Mapping[str, str]],
    setting: Setting,
    kept: Kept,
    record: Record,
    options: Any,
) -> None:
    """What each stage of one image takes, the GPU waited for at both ends of each."""
    folders = {arm: model.parent / f"stages-{arm}" for arm in arms}
    wanted = {}
    for arm, environ in arms.items():
        folders[arm].mkdir(exist_ok=True)
        own = {**stages.environ(folders[arm], is_stubbed=False), stages.WAITS: "1"}
        wanted[arm] = (model, {**environ, **own})
    with started(wanted, setting, kept, model.parent) as servers:
        pictures = Pictures(tuple(options.image))
        _warm(servers, pictures, kept)
        found: dict[str, list[dict[str, float]]] = {arm: [] for arm in arms}
        for _ in range(options.rounds):
            for arm, server in servers.items():
                stages.take(folders[arm])
                whole = pictures.one(server)
                spent, _ = stages.take(folders[arm])
                found[arm].append({**spent, "whole request": whole})
        for stage in (*stages.STAGES, "whole request"):
            took = {arm: [one[stage] for one in each] for arm, each in found.items()}
            if all(max(each) > 0 for each in took.values()):
                _record(f"stage, {stage}", pictures.shape(model), 1, took, "ms", kept, record)


class Pictures:
    """Requests of one photograph each, no two alike."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size, self.number = size, 0

    def shape(self, model: Path) -> str:
        return f"{model.name}, 1 x {self.size[0]}x{self.size[1]}"

    def content(self) -> list[dict[str, Any]]:
        self.number += 1
        url = data_url("image/jpeg", photograph(self.number, self.size))
        picture = {"type": "image_url", "image_url": {"url": url}}
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
        kept.say(f"{arm}: {same} tokens, {answer.difference(stock):.3g} nats")


def _record(
    what: str,
    shape: str,
    count: int,
    found: Mapping[str, list[float]],
    unit: str,
    kept: Kept,
    record: Record,
) -> None:
    times = {arm: Times.of(each) for arm, each in found.items()}
    rows = compared(
        times,
        "off",
        what=f"gpu_server, {what}",
        shape=shape,
        count=count,
        dtype=DTYPE,
        device=devices.name(devices_here()),
        unit=unit,
        engine=devices.engine(),
    )
    record(rows)
    for row in rows:
        kept.say(f"{what}: {row.provider}: {row.median:.4g} {unit} ({row.low:.4g}, {row.high:.4g})")
