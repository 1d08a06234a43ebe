"""How fast servers with a released model's tower are, off and on by turns, on one GPU."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks import stages
from benchmarks.gpu_server.answers import ask
from benchmarks.gpu_server.servers import ARMS, Session
from benchmarks.record import OFF, ON, compared
from benchmarks.serve.media import new_picture, question
from benchmarks.serve.model import TOWER_OF, make
from benchmarks.timing import Call, rate
from evals.serving.servers import Server

FAMILY = "qwen2_5_vl"
WARMING = 3
"""Requests to each server before any is timed."""
AT_ONCE = 4


def speed(session: Session) -> None:
    """Time to the first token of one image, and requests a second of four at once."""
    with _servers(session, {OFF: {}, ON: {}}) as servers:
        rounds = session.options.rounds
        first: dict[str, list[float]] = {name: [] for name in servers}
        rates: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(rounds):
            for name, server in servers.items():
                first[name] += [_milliseconds(_request(session, server)) for _ in range(3)]
        _add(session, "first token", 1, first, "ms")
        for _ in range(max(2, rounds // 2)):
            for name, server in servers.items():
                requests = [_request(session, server, tokens=4) for _ in range(3 * AT_ONCE)]
                rates[name].append(rate(requests, AT_ONCE))
        _add(session, "requests/s", AT_ONCE, rates, "requests/s")


def stages_of(session: Session) -> None:
    """What each stage of one image takes, the GPU waited for at both ends of each."""
    folders = {name: session.folder / f"stages-{name}" for name in (OFF, ON)}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    timed = {
        name: {**stages.environ(folder, is_stubbed=False), stages.WAITS: "1"}
        for name, folder in folders.items()
    }
    with _servers(session, timed) as servers:
        found: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
        for _ in range(session.options.rounds):
            for name, server in servers.items():
                found[name].append(stages.of(folders[name], _request(session, server))[0])
        for stage in (*stages.STAGES, stages.WHOLE):
            took = {name: [one[stage] for one in each] for name, each in found.items()}
            if all(max(each) > 0 for each in took.values()):
                _add(session, stage, 1, took, "ms")


def _request(session: Session, server: Server, tokens: int = 1) -> Call:
    """About a photograph that no server was sent; made here, sent when it is called."""
    content = question(new_picture(tuple(session.options.image)))
    return partial(ask, server, content, max_tokens=tokens)


def _milliseconds(call: Call) -> float:
    begun = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - begun)


@contextmanager
def _servers(
    session: Session, variables: Mapping[str, Mapping[str, str]]
) -> Iterator[dict[str, Server]]:
    """Servers of the large tower, warmed, by name; each has variables besides its own."""
    model = _model(session)
    wanted = {name: (model, {**ARMS[name], **own}) for name, own in variables.items()}
    with session.servers(wanted, are_large=True) as servers:
        for name, server in servers.items():
            took = [_milliseconds(_request(session, server)) for _ in range(WARMING)]
            session.say(f"{name}: first requests took {', '.join(f'{ms:.0f}' for ms in took)} ms")
        content = question(new_picture(tuple(session.options.image)))
        answers = {name: ask(server, content) for name, server in servers.items()}
        for name, answer in answers.items():
            session.say(f"{name}: {answer.shown(answers[OFF])}")
        yield servers


def _model(session: Session) -> Path:
    """The checkpoint, made once."""
    folders = [*session.folder.glob(f"{FAMILY}-*-blocks")]
    return folders[0] if folders else make(FAMILY, session.options.blocks, session.folder)


def _add(
    session: Session, what: str, count: int, found: Mapping[str, list[float]], unit: str
) -> None:
    """Record and say what was found of each server."""
    width, height = session.options.image
    rows = compared(
        found,
        OFF,
        what=what,
        model=TOWER_OF[FAMILY],
        tower=f"{session.options.blocks} blocks",
        shape=f"1 x {width}x{height}",
        count=count,
        device=session.options.device,
        unit=unit,
    )
    session.record(rows)
    for row in rows:
        times = f"{row.median:.4g} {unit} ({row.low:.4g}, {row.high:.4g})"
        session.say(f"{what}: {row.provider}: {times}")
