"""The course of a soak: stock answers, then the server that is soaked."""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from evals import checkpoints
from evals.serving.asking import Reply
from evals.serving.engines import ENGINES
from evals.serving.servers import Server
from evals.serving.status_lines import of_models
from evals.soak.load import Load, prepare, run
from evals.soak.memory import Sample
from evals.soak.mixed import requests
from evals.soak.server import Refusal, reference_replies, refusals, serve

WARM_UP_RATE = 5
"""Times the rate of the soak: allocators of engines settle after about 1500 requests."""

Replies = dict[str, Reply]
Answers = list[dict[str, Any]]


@dataclass(frozen=True)
class Soaked:
    """Replies of stock to the reference questions, those of the soaked server before and after,
    what stock makes of odd requests, and what came of the load.

    Args:
        replaced: the modules that the status file of the soaked server names.
    """

    stock: Replies
    refusals: dict[str, Refusal]
    before: Replies
    after: Replies
    warm_up: Answers
    answers: Answers
    samples: list[Sample]
    replaced: list[dict[str, Any]]


def soak(options: argparse.Namespace, console: Console) -> Soaked:
    """Ask the engine without any plugin; then start the server to soak, ask it the same, send the
    mix, ask again.

    Every request of a kind that stock refuses is expected to be refused in the same way.
    """
    engine, family = ENGINES[options.engine], options.family
    start = partial(serve, engine, family, malloc=options.malloc, logs=options.logs)
    title = f"{engine.shown}, {family}"
    console.print(f"{title}, stock: starting (about 40 s)", highlight=False)
    with start(extension="off", name="stock") as (server, _):
        stock, refused = reference_replies(server, family), refusals(server)

    load = Load(options.minutes, options.rate, options.users)
    warming = Load(options.warm_up, WARM_UP_RATE * options.rate, options.users)
    mix = requests(family, warming.prepared + load.prepared)
    expected = {kind: refusal.status for kind, refusal in refused.items()}
    files = options.logs / "warm-up.jsonl", options.logs / "soak.jsonl"
    for file, some in zip(files, (itertools.islice(mix, warming.prepared), mix), strict=True):
        prepare(file, some, checkpoints.path(family).name, expected)

    console.print(f"{title}, extension {options.extension}: starting (about 40 s)", highlight=False)
    with start(extension=options.extension, name="soak") as (server, status_file):
        send = partial(_send, console, options.locust, server)
        before = reference_replies(server, family)
        warm_up, _ = send(warming, files[0], "warming up")
        answers, samples = send(load, files[1], "soaking")
        after = reference_replies(server, family)
        replaced = [one for line in of_models(status_file) for one in line["modules"]]
    return Soaked(stock, refused, before, after, warm_up, answers, samples, replaced)


def _send(
    console: Console, locust: Path, server: Server, load: Load, prepared: Path, doing: str
) -> tuple[Answers, list[Sample]]:
    if not load.minutes:
        return [], []
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    memory = TextColumn("{task.fields[memory]}")
    with Progress(*columns, memory, console=console) as progress:
        bar = progress.add_task(doing, total=load.seconds, memory="")

        def tick(seconds: float, mib: float) -> None:
            progress.update(bar, completed=seconds, memory=f"{mib:.0f} MiB")

        return run(locust, server, load, prepared, tick)
