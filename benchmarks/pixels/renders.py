"""How many images one API server of vLLM makes ready in a second, with no engine behind it.

    python -m benchmarks.pixels.renders

Starts ``vllm launch render`` over a tiny checkpoint, the extension off, with pixels, and with
pixels and resize by turns, and asks its ``/tokenize``, which makes a request ready as for an engine
and answers with the tokens of its prompt. First one after the other, timed by stages in the
server's own process (`benchmarks.stages`): the image processor's worker, of which a server has one,
and decoding the JPEG apart. Then several at a time, for the rate. No image is sent twice, and none
is made smaller: the limits of the image processor are a released model's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx

from benchmarks import stages
from benchmarks.command import parser, recording_in_folder
from benchmarks.record import OFF, compared
from benchmarks.serve.arms import STOCK, WITH_PIXELS, WITH_RESIZE, Arms
from benchmarks.serve.media import SIZES, new_picture, question
from benchmarks.serve.model import TOWER_OF, make
from benchmarks.timing import Call, rate
from evals.serving.engines import VLLM
from evals.serving.servers import Server, free_port, running

WHAT = "renders"
SHOWN = ("1080p", "4k")
RATE = "requests/s"
AT_ONCE = 6


def main() -> None:
    options_of = parser(__doc__)
    add = options_of.add_argument
    add("--family", choices=tuple(TOWER_OF), default="qwen2_5_vl")
    add("--requests", type=int, default=24, help="one after the other (default 24)")
    add("--at-once", type=int, default=96, help=f"requests, {AT_ONCE} at a time (default 96)")
    add("--rounds", type=int, default=2, help="starts of each server (default 2)")
    options = options_of.parse_args()
    with recording_in_folder(WHAT, options.results) as (rows, folder):
        model = make(options.family, None, folder)
        environ = {**STOCK, **WITH_PIXELS, **WITH_RESIZE}
        arms = Renders(VLLM, model, folder, environ, stages.environ(folder, is_stubbed=False))
        asked = Asked(folder, options.requests, options.at_once)
        arms.by_turns(options.rounds, asked.measure)
        for (size, what), found in asked.found.items():
            width, height = SIZES[size]
            rows += compared(
                found,
                OFF,
                what=what,
                model=f"tiny {options.family}",
                shape=f"1 x {width}x{height}",
                **({"count": AT_ONCE, "unit": RATE} if what == RATE else {}),
            )


class Renders(Arms):
    """API servers without an engine: no process of theirs holds a model."""

    @contextmanager
    def server(self, arm: str) -> Iterator[Server]:
        settings = {**VLLM.cpu_settings, "max_model_len": 32768, "mm_processor_cache_gb": 0}
        port = free_port()
        command = VLLM.launch(str(self.model), self.model.name, port, settings)
        command = [command[0], "launch", "render", *command[2:]]
        environ = {**VLLM.cpu_environ, **self.shared, **self.environ[arm]}
        log = self.folder / f"{arm}.log"
        with running(command, self.model.name, port, log, environ) as server:
            yield server


@dataclass
class Asked:
    """Asks servers for the tokens of prompts with one picture each.

    Args:
        folder: where the server's process writes its stages.
        requests, at_once: how many, one after the other and several at a time.
        found: by size and what was measured, of each server.
    """

    folder: Path
    requests: int
    at_once: int
    found: dict[tuple[str, str], dict[str, list[float]]] = field(default_factory=dict)
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=120, trust_env=False))

    def measure(self, arm: str, server: Server) -> None:
        for size in SHOWN:
            rate(self._calls(server, size, AT_ONCE), AT_ONCE)  # warms
            for call in self._calls(server, size, self.requests):
                spent, _ = stages.of(self.folder, call)
                for stage in (stages.DECODE, stages.PROCESS):
                    self._add(size, stage, arm, spent[stage])
            reached = rate(self._calls(server, size, self.at_once), AT_ONCE)
            self._add(size, RATE, arm, reached)

    def _add(self, size: str, what: str, arm: str, value: float) -> None:
        self.found.setdefault((size, what), {}).setdefault(arm, []).append(value)

    def _calls(self, server: Server, size: str, count: int) -> list[Call]:
        """Requests, whose pictures no server has seen."""
        return [partial(self._ask, server, self._body(server, size)) for _ in range(count)]

    def _body(self, server: Server, size: str) -> bytes:
        content = question(new_picture(SIZES[size]))
        asked = {"model": server.model, "messages": [{"role": "user", "content": content}]}
        return httpx.Request("POST", server.url, json=asked).content

    def _ask(self, server: Server, body: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        done = self.client.post(f"{server.url}/tokenize", content=body, headers=headers)
        done.raise_for_status()
        assert done.json()["count"] > 100, "no picture in the prompt"


if __name__ == "__main__":
    main()
