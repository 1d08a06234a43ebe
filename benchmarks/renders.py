"""How many images one API server of vLLM makes ready in a second, with no engine behind it.

    python -m benchmarks.renders

Starts ``vllm launch render`` over a tiny checkpoint, the extension off, with pixels, and with
pixels and resize by turns, and asks its ``/tokenize``, which makes a request ready as for an engine
and answers with the tokens of its prompt. First one after the other, timed by stages in the
server's own process (`benchmarks.stages`): the image processor's worker, of which a server has one,
and decoding the JPEG apart. Then several at a time, for the rate. No image is sent twice, and none
is made smaller: the limits of the image processor are a released model's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
from rich.progress import Progress
from rich.table import Table

from benchmarks import device as devices
from benchmarks import stages
from benchmarks.command import parser, recording
from benchmarks.pixels import FIRST, OURS, picture
from benchmarks.printed import by_arm
from benchmarks.record import Row, compared
from benchmarks.serve_model import TOWER_OF, make
from benchmarks.serve_tables import OFF
from benchmarks.stages import DECODE, PROCESS
from benchmarks.timing import Times
from benchmarks.towers import DTYPE
from evals.serving.engines import VLLM
from evals.serving.servers import Server, end_on_sigterm, free_port, running

WHAT = "renders"
SIZES = {"1080p": (1920, 1080), "4k": (3840, 2160)}
ARMS = {OFF: {"ENGINE_EXT": "off"}, **OURS}
RATE = "throughput"
WARMING = 6


def main() -> None:
    end_on_sigterm()
    options_of = parser(__doc__)
    add = options_of.add_argument
    add("--family", choices=tuple(TOWER_OF), default="qwen2_5_vl")
    add("--requests", type=int, default=24, help="one after the other (default 24)")
    add("--at-once", type=int, default=96, help=f"requests, {WARMING} at a time (default 96)")
    add("--rounds", type=int, default=2, help="starts of each arm (default 2)")
    options = options_of.parse_args()
    shapes = {size: f"tiny {options.family}, 1 x {w}x{h}" for size, (w, h) in SIZES.items()}
    spent: dict[str, dict[str, list[dict[str, float]]]] = {size: {} for size in SIZES}
    rates: dict[str, dict[str, list[float]]] = {size: {} for size in SIZES}
    with (
        recording(table, WHAT, options.results) as rows,
        Progress(transient=True) as progress,
        tempfile.TemporaryDirectory(prefix="engine_ext-renders-") as name,
    ):
        folder = Path(name)
        model = make(options.family, None, folder)
        bar = progress.add_task(WHAT, total=options.rounds * len(ARMS) * len(SIZES))
        asked = FIRST
        for _ in range(options.rounds):
            for arm in ARMS:
                with _server(arm, model, folder) as server:
                    for size, pixels in SIZES.items():
                        progress.update(bar, description=f"{arm}: {size}")
                        client = Client(server, folder, picture(pixels))
                        client.at_once(range(asked, asked := asked + WARMING))
                        one_by_one = range(asked, asked := asked + options.requests)
                        spent[size].setdefault(arm, []).extend(map(client.stages, one_by_one))
                        many = range(asked, asked := asked + options.at_once)
                        rates[size].setdefault(arm, []).append(client.at_once(many))
                        progress.advance(bar)
        for size, shape in shapes.items():
            rows += _rows(shape, spent[size], rates[size])


@contextmanager
def _server(arm: str, model: Path, folder: Path) -> Iterator[Server]:
    port = free_port()
    settings = {**VLLM.cpu_settings, "max_model_len": 32768, "mm_processor_cache_gb": 0}
    command = VLLM.launch(str(model), model.name, port, settings)
    command = [command[0], "launch", "render", *command[2:]]
    environ = {**VLLM.cpu_environ, **stages.environ(folder, is_stubbed=False), **ARMS[arm]}
    with running(command, model.name, port, folder / f"{arm}.log", environ) as server:
        yield server


class Client:
    """Asks a server for the tokens of prompts with one picture each.

    Args:
        folder: where the server's process writes its stages.
        picture: the content part of a number.
    """

    def __init__(self, server: Server, folder: Path, picture: Any) -> None:
        self.server, self.folder, self.picture = server, folder, picture
        self.client = httpx.Client(timeout=120, trust_env=False)

    def stages(self, number: int) -> dict[str, float]:
        """Milliseconds of each stage of one request."""
        body = self._body(number)
        stages.take(self.folder)
        self._ask(body)
        return stages.take(self.folder)[0]

    def at_once(self, numbers: Sequence[int]) -> float:
        """Requests a second, several at a time."""
        bodies = [self._body(number) for number in numbers]
        with ThreadPoolExecutor(WARMING) as pool:
            begun = perf_counter()
            list(pool.map(self._ask, bodies))
            return len(bodies) / (perf_counter() - begun)

    def _body(self, number: int) -> bytes:
        content = [self.picture(number), {"type": "text", "text": "?"}]
        messages = [{"role": "user", "content": content}]
        asked = {"model": self.server.model, "messages": messages}
        return httpx.Request("POST", self.server.url, json=asked).content

    def _ask(self, body: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        done = self.client.post(f"{self.server.url}/tokenize", content=body, headers=headers)
        done.raise_for_status()
        assert done.json()["count"] > 100, "no picture in the prompt"


def _rows(
    shape: str, spent: dict[str, list[dict[str, float]]], rates: dict[str, list[float]]
) -> Iterator[Row]:
    beside = {
        "shape": shape,
        "dtype": DTYPE,
        "device": devices.name("cpu"),
        "engine": devices.engine(),
    }
    for stage in (DECODE, PROCESS):
        times = {arm: Times.of([one[stage] for one in found]) for arm, found in spent.items()}
        yield from compared(times, OFF, what=f"{WHAT}, {stage}", count=1, unit="ms", **beside)
    found = {arm: Times.of(each) for arm, each in rates.items()}
    unit = "requests/s"
    yield from compared(found, OFF, what=f"{WHAT}, {RATE}", count=WARMING, unit=unit, **beside)


def table(rows: Sequence[Row]) -> Table:
    title = f", {rows[0].device}: images made ready by one API server"
    return by_arm(rows, title, "image", "at a time", has_unit=True)


if __name__ == "__main__":
    main()
