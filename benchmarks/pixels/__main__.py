"""The feature `pixels` in a real server: what each stage of an image takes, and requests a second.

    python -m benchmarks.pixels --engine sglang --family qwen2_5_vl

Starts the stock command over a checkpoint with a released model's projection (or ``--tiny``: with
next to none, so that the host is what shows), the extension off and with pixels by turns, and
SGLang also as it hashes least by itself. Photographs go to each server one after the other, timed
by stages in the engine's own processes (`benchmarks.stages`), then four at a time by vLLM's load
generator; with ``--clip`` clips, one after the other alone. By default the tower's blocks
are stubbed (they return what they get): what a CPU takes for them would hide the rest, so the rates
are a ceiling. With ``--blocks`` they are as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import stages
from benchmarks.command import add_engine, parser, recording_in_folder
from benchmarks.record import OFF, Row, compared
from benchmarks.serve.arms import BESIDE, BEST_SETTINGS, STOCK, WITH_PIXELS, WITH_RESIZE, Arms
from benchmarks.serve.load import Load, Loads, add_generator
from benchmarks.serve.media import CLIP, FRAMES, SIZES, Part, new_clip, new_picture, question
from benchmarks.serve.model import TOWER_OF, make
from evals.serving.asking import ask
from evals.serving.engines import ENGINES
from evals.serving.servers import Server

WHAT = "pixels"
WARMING = 3


def main() -> None:
    options_of = parser(__doc__)
    add = options_of.add_argument
    add_engine(options_of, ENGINES)
    add("--family", choices=tuple(TOWER_OF), default="qwen2_5_vl")
    add("--blocks", type=int, default=0, help="of the vision tower (default: one, stubbed)")
    add("--tiny", action="store_true", help="the tiny checkpoint's own tower: all but it shows")
    add("--size", choices=tuple(SIZES), default="1080p", help="of photographs (default 1080p)")
    add("--clip", action="store_true", help=f"videos of {FRAMES} frames of 720p, not photographs")
    add("--requests", type=int, default=8, help="one after the other (default 8)")
    add("--at-once", type=int, default=16, help="requests, four at a time (default 16)")
    add("--rounds", type=int, default=2, help="starts of each server (default 2)")
    add_generator(options_of)
    options = options_of.parse_args()
    common = {
        "model": f"tiny {options.family}" if options.tiny else TOWER_OF[options.family],
        "tower": f"{options.blocks} blocks" if options.blocks else stages.STUBBED_BLOCKS,
    }
    size = SIZES[options.size]
    loads = [] if options.clip else [Load(size, 1, 4, options.at_once)]
    shape = Load(CLIP, FRAMES, 1, 1) if options.clip else Load(size, 1, 1, 1)
    with recording_in_folder(WHAT, options.results) as (rows, folder):
        model = make(options.family, None if options.tiny else max(1, options.blocks), folder)
        environ = {**STOCK, **BESIDE[options.engine], **WITH_PIXELS, **WITH_RESIZE}
        shared = stages.environ(folder, is_stubbed=not options.blocks)
        arms = Arms(ENGINES[options.engine], model, folder, environ, shared, own=BEST_SETTINGS)
        media = new_clip if options.clip else partial(new_picture, size)
        one_by_one = OneByOne(folder, media, options.requests)
        sent = Loads(loads, model, folder, options.generator)

        def measure(arm: str, server: Server) -> None:
            one_by_one.ask(arm, server)
            sent.send(arm, server)

        try:
            arms.by_turns(options.rounds, measure)
        finally:
            if all(map(one_by_one.found.get, environ)):
                rows += one_by_one.rows(shape=shape.shown, **common)
            rows += sent.rows(environ, **common)


@dataclass
class OneByOne:
    """Requests one after the other, by stages.

    Args:
        folder: where the engine's processes write their stages.
        media: makes a content part that no server has seen.
        count: requests to each server, after some that warm it.
        found: of each server and request, milliseconds of its stages and of all together.
    """

    folder: Path
    media: Callable[[], Part]
    count: int
    found: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def ask(self, arm: str, server: Server) -> None:
        """What is to be answered by one token."""
        client, found = server.client(), self.found.setdefault(arm, [])
        for number in range(-WARMING, self.count):
            content = question(self.media())
            send = partial(ask, client, server.model, content, max_tokens=1)
            spent, _ = stages.of(self.folder, send)
            if number >= 0:
                found.append(spent)

    def rows(self, **common: Any) -> Iterator[Row]:
        """A row for each stage and server, and for their sums."""
        sums = (stages.SCHEDULER, stages.HASHED, stages.HOST_TIME, stages.WHOLE, stages.BYTES)
        for name in (*stages.STAGES, *sums):
            taken = {arm: [one[name] for one in each] for arm, each in self.found.items()}
            unit = "B" if name == stages.BYTES else "ms"
            yield from compared(taken, OFF, what=name, unit=unit, **common)


if __name__ == "__main__":
    main()
