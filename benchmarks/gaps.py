"""What running texts feel of images that arrive: the gaps between their tokens, in SGLang.

    python -m benchmarks.gaps
    python -m benchmarks.gaps --clip --every 8 --media 3

A few texts run without end while photographs, or clips, arrive at a steady pace, at servers with
the extension off and with pixels by turns, and off as SGLang hashes least by itself. Times are
taken in the scheduler, when it has the next token of every text: clients that stream get several at
once. The tower's blocks are stubbed, and what a prompt's tokens attend to is left out: on a CPU
they would take most of each gap.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from rich.progress import Progress
from rich.table import Table

from benchmarks import device as devices
from benchmarks import stages
from benchmarks.command import parser, recording
from benchmarks.pixels import BESIDE, BEST_SETTINGS, CLIP, FIRST, FRAMES, SIZES, clip, picture
from benchmarks.printed import by_arm
from benchmarks.record import Row, compared
from benchmarks.serve_arms import SETTINGS
from benchmarks.serve_load import QUESTION, Load
from benchmarks.serve_model import TOWER_OF, make
from benchmarks.serve_tables import OFF, PIXELS
from benchmarks.timing import Times
from benchmarks.towers import DTYPE
from evals.serving.asking import ask
from evals.serving.engines import SGLANG
from evals.serving.servers import Server, cpu_server, end_on_sigterm

WHAT = "gaps"
ARMS = {
    OFF: {"ENGINE_EXT": "off"},
    **BESIDE["sglang"],
    PIXELS: {"ENGINE_EXT": "linear,mrope,pixels"},
}
TOKENS = 6000  # of each text, more than come while media arrive
QUANTILES = {"median": 0.5, "p99": 0.99, "worst": 1.0}


def main() -> None:
    end_on_sigterm()
    options_of = parser(__doc__)
    add = options_of.add_argument
    add("--family", choices=tuple(TOWER_OF), default="qwen2_5_vl")
    add("--clip", action="store_true", help=f"clips of {FRAMES} frames of 720p, not photographs")
    add("--texts", type=int, default=4, help="that run (default 4)")
    add("--media", type=int, default=12, help="that arrive in a window (default 12)")
    add("--every", type=float, default=1, help="seconds between two (default 1)")
    add("--windows", type=int, default=2, help="of each server (default 2)")
    add("--rounds", type=int, default=2, help="starts of each arm (default 2)")
    options = options_of.parse_args()
    media = Load(CLIP, FRAMES, 1, 1) if options.clip else Load(SIZES["1080p"], 1, 1, 1)
    pace = f"{media.shown} every {options.every:g} s"
    with (
        recording(table, WHAT, options.results) as rows,
        Progress(transient=True) as progress,
        tempfile.TemporaryDirectory(prefix="engine_ext-gaps-") as name,
    ):
        folder = Path(name)
        model = make(options.family, None, folder)
        part = clip if options.clip else picture(SIZES["1080p"])
        found: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
        bar = progress.add_task(WHAT, total=options.rounds * len(ARMS))
        for _ in range(options.rounds):
            for arm in ARMS:
                progress.update(bar, description=arm)
                with _server(arm, model, folder) as server:
                    window = Window(server, folder, part, options.texts)
                    window.gaps(2, options.every)  # warms
                    for _ in range(options.windows):
                        found[arm].append(_of(window.gaps(options.media, options.every)))
                progress.advance(bar)
        rows += _rows(f"tiny {options.family}, {pace}", options.texts, found)


@contextmanager
def _server(arm: str, model: Path, folder: Path) -> Iterator[Server]:
    environ = {**stages.environ(folder, is_stubbed=True), **ARMS[arm]}
    environ[stages.STEPS] = str(folder / "steps.jsonl")
    settings = {**SETTINGS["sglang"], **BEST_SETTINGS.get(arm, {})}
    log = folder / f"{arm}.log"
    with cpu_server(SGLANG, model, log, environ=environ, **settings) as server:
        yield server


class Window:
    """Texts that run while media arrive.

    Args:
        folder: where the scheduler writes when tokens came.
        media: the content part of a number.
        texts: how many run.
    """

    def __init__(
        self, server: Server, folder: Path, media: Callable[[int], dict[str, Any]], texts: int
    ) -> None:
        self.server, self.media, self.texts = server, media, texts
        self.file = folder / "steps.jsonl"
        self.asked = FIRST

    def gaps(self, count: int, every: float) -> np.ndarray[Any, Any]:
        """Milliseconds between two tokens of a text, from the first request to the last answer."""
        numbers = range(self.asked, self.asked + count)
        self.asked += count
        content = [[self.media(each), {"type": "text", "text": QUESTION}] for each in numbers]
        with self._running(), ThreadPoolExecutor(count) as pool:
            begun = perf_counter()
            asked = []
            for number, one in enumerate(content):
                time.sleep(max(0.0, begun + number * every - perf_counter()))
                asked.append(pool.submit(self._ask, one))
            for one in asked:
                one.result()
            ended = perf_counter()
        steps = [step for step in self._steps() if begun <= step["at"] <= ended]
        if any(step["texts"] != self.texts for step in steps):
            sys.exit(f"a text ended before the media were answered: more than {TOKENS} tokens")
        return 1e3 * np.diff([step["at"] for step in steps])

    def _ask(self, content: list[dict[str, Any]]) -> None:
        ask(self.server.client(), self.server.model, content, max_tokens=1)

    @contextmanager
    def _running(self) -> Iterator[None]:
        """All texts have begun; in the end they are left."""
        self.file.unlink(missing_ok=True)
        ended = threading.Event()
        with ThreadPoolExecutor(self.texts) as pool:
            try:
                running = [pool.submit(self._text, ended) for _ in range(self.texts)]
                while not any(step["texts"] == self.texts for step in self._steps()):
                    for one in running:
                        if one.done():
                            one.result()
                    time.sleep(0.05)
                yield
            finally:
                ended.set()
        before = -1
        while before != (before := len(self._steps())):  # until the server has left them, too
            time.sleep(1)

    def _text(self, ended: threading.Event) -> None:
        stream = self.server.client().chat.completions.create(
            model=self.server.model,
            messages=[{"role": "user", "content": QUESTION}],
            max_tokens=TOKENS,
            stream=True,
            extra_body={"ignore_eos": True},
        )
        with stream:
            for _ in stream:
                if ended.is_set():
                    return

    def _steps(self) -> list[dict[str, Any]]:
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return [json.loads(line) for line in lines]


def _of(gaps: np.ndarray[Any, Any]) -> dict[str, float]:
    return {name: float(np.quantile(gaps, share)) for name, share in QUANTILES.items()}


def _rows(shape: str, texts: int, found: dict[str, list[dict[str, float]]]) -> Iterator[Row]:
    for name in QUANTILES:
        times = {arm: Times.of([window[name] for window in found[arm]]) for arm in found}
        yield from compared(
            times,
            OFF,
            what=f"{WHAT}, {name}",
            shape=shape,
            count=texts,
            dtype=DTYPE,
            device=devices.name("cpu"),
            engine=devices.engine(),
        )


def table(rows: Sequence[Row]) -> Table:
    title = f", {rows[0].device}: gaps between tokens of running texts"
    return by_arm(rows, title, "media", "texts")


if __name__ == "__main__":
    main()
