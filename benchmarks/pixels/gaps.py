"""What running texts feel of images that arrive: the gaps between their tokens, in SGLang.

    python -m benchmarks.pixels.gaps
    python -m benchmarks.pixels.gaps --clip --every 8 --media 3

A few texts run without end while photographs, or clips, arrive at a steady pace, at servers with
the extension off and with pixels by turns, and off as SGLang hashes least by itself. Times are
taken in the scheduler, when it has the next token of every text: clients that stream get several at
once. The tower's blocks are stubbed, and what a prompt's tokens attend to is left out: on a CPU
they would take most of each gap.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import stages
from benchmarks.command import parser, recording_in_folder
from benchmarks.record import OFF, compared
from benchmarks.serve.arms import BESIDE, BEST_SETTINGS, STOCK, WITH_PIXELS, Arms
from benchmarks.serve.load import Load
from benchmarks.serve.media import (
    CLIP,
    FRAMES,
    QUESTION,
    SIZES,
    Part,
    new_clip,
    new_picture,
    question,
)
from benchmarks.serve.model import TOWER_OF, make
from evals.serving.asking import ask
from evals.serving.engines import SGLANG
from evals.serving.servers import Server

WHAT = "gaps"
TOKENS = 6000  # of each text, more than come while media arrive
QUANTILES = {"median": 0.5, "p99": 0.99, "worst": 1.0}


def main() -> None:
    options_of = parser(__doc__)
    add = options_of.add_argument
    add("--family", choices=tuple(TOWER_OF), default="qwen2_5_vl")
    add("--clip", action="store_true", help=f"videos of {FRAMES} frames of 720p, not photographs")
    add("--texts", type=int, default=4, help="that run (default 4)")
    add("--media", type=int, default=12, help="that arrive in a window (default 12)")
    add("--every", type=float, default=1, help="seconds between two (default 1)")
    add("--windows", type=int, default=2, help="of each server (default 2)")
    add("--rounds", type=int, default=2, help="starts of each server (default 2)")
    options = options_of.parse_args()
    load = Load(CLIP, FRAMES, 1, 1) if options.clip else Load(SIZES["1080p"], 1, 1, 1)
    media = new_clip if options.clip else partial(new_picture, load.size)
    with recording_in_folder(WHAT, options.results) as (rows, folder):
        environ = {**STOCK, **BESIDE["sglang"], **WITH_PIXELS}
        steps = folder / "steps.jsonl"
        shared = {**stages.environ(folder, is_stubbed=True), stages.STEPS: str(steps)}
        model = make(options.family, None, folder)
        arms = Arms(SGLANG, model, folder, environ, shared, own=BEST_SETTINGS)
        found: dict[str, list[np.ndarray[Any, Any]]] = {arm: [] for arm in environ}

        def measure(arm: str, server: Server) -> None:
            window = Window(server, steps, media, options.texts)
            window.gaps(2, options.every)  # warms
            for _ in range(options.windows):
                found[arm].append(window.gaps(options.media, options.every))

        arms.by_turns(options.rounds, measure)
        for what, share in QUANTILES.items():
            rows += compared(
                {a: [np.quantile(one, share) for one in each] for a, each in found.items()},
                OFF,
                what=what,
                model=f"tiny {options.family}",
                tower=stages.STUBBED_BLOCKS,
                shape=f"{load.shown} every {options.every:g} s",
                count=options.texts,
            )


@dataclass
class Window:
    """Texts that run while media arrive.

    Args:
        file: where the scheduler writes when tokens came.
        media: makes a content part that no server has seen.
        texts: how many run.
    """

    server: Server
    file: Path
    media: Callable[[], Part]
    texts: int

    def gaps(self, count: int, every: float) -> np.ndarray[Any, Any]:
        """Milliseconds between two tokens of a text, from the first request to the last answer."""
        content = [question(self.media()) for _ in range(count)]
        client = self.server.client()
        with self._running(), ThreadPoolExecutor(count) as pool:
            begun = perf_counter()
            asked = []
            for number, one in enumerate(content):
                time.sleep(max(0.0, begun + number * every - perf_counter()))
                asked.append(pool.submit(ask, client, self.server.model, one, max_tokens=1))
            for each in asked:
                each.result()
            ended = perf_counter()
        steps = [step for step in self._steps() if begun <= step["at"] <= ended]
        if any(step["texts"] != self.texts for step in steps):
            sys.exit(f"a text ended before the media were answered: more than {TOKENS} tokens")
        return 1e3 * np.diff([step["at"] for step in steps])

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


if __name__ == "__main__":
    main()
