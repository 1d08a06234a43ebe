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
from benchmarks.serve.media import Part, picture, question
from benchmarks.serve.model import TOWER_OF, make
from benchmarks.timing import rate
from evals.serving.servers import Server

FAMILY = "qwen2_5_vl"
WARMING = 3
"""Requests to each server before any is timed."""
AT_ONCE = 4


def speed(session: Session) -> None:
    """Time to the first token of one image, and requests a second of four at once."""
    with _asked(session, {OFF: {}, ON: {}}) as asked:
        rounds = session.options.rounds
        first: dict[str, list[float]] = {name: [] for name in asked}
        rates: dict[str, list[float]] = {name: [] for name in asked}
        for _ in range(rounds):
            for name, each in asked.items():
                first[name] += [each.one() for _ in range(3)]
        _add(session, "first token", 1, first, "ms")
        for _ in range(max(2, rounds // 2)):
            for name, each in asked.items():
                rates[name].append(each.rate(3 * AT_ONCE))
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
    with _asked(session, timed) as asked:
        found: dict[str, list[dict[str, float]]] = {name: [] for name in asked}
        for _ in range(session.options.rounds):
            for name, each in asked.items():
                send = partial(ask, each.server, each.content(), max_tokens=1)
                found[name].append(stages.of(folders[name], send)[0])
        for stage in (*stages.STAGES, stages.WHOLE):
            took = {name: [one[stage] for one in each] for name, each in found.items()}
            if all(max(each) > 0 for each in took.values()):
                _add(session, stage, 1, took, "ms")


class Asked:
    """A server, asked about photographs of which it has seen none.

    Args:
        size: width and height in pixels.
        number: of its last photograph.
    """

    def __init__(self, server: Server, size: tuple[int, int], number: int) -> None:
        self.server, self.size, self.number = server, size, number

    def content(self) -> list[Part]:
        self.number += 1
        return question(picture(self.number, self.size))

    def one(self) -> float:
        """Milliseconds of a request that is answered by one token."""
        content = self.content()
        begun = time.perf_counter()
        ask(self.server, content, max_tokens=1)
        return 1e3 * (time.perf_counter() - begun)

    def rate(self, count: int) -> float:
        """Requests a second, four at a time."""
        contents = [self.content() for _ in range(count)]
        return rate([partial(ask, self.server, one, max_tokens=4) for one in contents], AT_ONCE)


@contextmanager
def _asked(
    session: Session, variables: Mapping[str, Mapping[str, str]]
) -> Iterator[dict[str, Asked]]:
    """Servers of the large tower, warmed, by name; each has variables besides its own."""
    model = _model(session)
    wanted = {name: (model, {**ARMS[name], **own}) for name, own in variables.items()}
    with session.servers(wanted, are_large=True) as servers:
        asked = {
            name: Asked(server, tuple(session.options.image), 1000 * number)
            for number, (name, server) in enumerate(servers.items())
        }
        for name, each in asked.items():
            took = ", ".join(f"{each.one():.0f}" for _ in range(WARMING))
            session.say(f"{name}: first requests took {took} ms")
        content = asked[OFF].content()
        answers = {name: ask(server, content) for name, server in servers.items()}
        for name, answer in answers.items():
            session.say(f"{name}: {answer.shown(answers[OFF])}")
        yield asked


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
