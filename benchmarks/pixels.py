"""Raw pixels in a real server: what each stage of an image takes, and requests a second.

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

import io
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from PIL import Image
from rich.table import Table

from benchmarks import device as devices
from benchmarks import stages
from benchmarks.command import parser, recording
from benchmarks.pixels_tables import BYTES, HOST_TIME, WHOLE
from benchmarks.printed import by_arm
from benchmarks.record import Row, compared
from benchmarks.serve_arms import Arms
from benchmarks.serve_load import QUESTION, Load
from benchmarks.serve_model import TOWER_OF, make
from benchmarks.serve_tables import BEST, OFF, PIXELS, RESIZE
from benchmarks.stages import HASHED, HOST, SCHEDULER, STAGES
from benchmarks.timing import Times
from benchmarks.towers import DTYPE
from engine_ext.installed import installed_version
from evals import ENVIRONMENTS
from evals.media.avi import encode_avi
from evals.media.content import part
from evals.media.photographs import photograph
from evals.serving.asking import ask
from evals.serving.engines import ENGINES
from evals.serving.servers import Server, end_on_sigterm

WHAT = "pixels"
SIZES = {"448": (448, 448), "1080p": (1920, 1080)}
CLIP, FRAMES, FPS = (1280, 720), 64, 2
"""A clip: pixels, width and height; SGLang takes two frames a second."""
WARMING = 3
BESIDE: Mapping[str, Mapping[str, str]] = {
    "sglang": {BEST: {"ENGINE_EXT": "off", "SGLANG_MM_PRECOMPUTE_HASH": "1"}},
    "vllm": {},
}
"""Variables of stock by which its scheduler hashes nothing: arms beside those of every engine."""
OURS = {
    PIXELS: {"ENGINE_EXT": "linear,mrope,pixels"},
    RESIZE: {"ENGINE_EXT": "linear,mrope,pixels,resize"},
}
BEST_SETTINGS = {BEST: {"mm_preprocess_cache_size_mb": 1024}}
"""Images are known by their content then. None is asked for twice, so the cache holds none."""
FIRST = 500_000  # number of the first photograph here; those of loads are smaller


def main() -> None:
    end_on_sigterm()
    options_of = parser(__doc__)
    add = options_of.add_argument
    here = next((name for name in ENGINES if installed_version(name)), "vllm")
    add("--engine", choices=ENGINES, default=here, help=f"installed here: {here}")
    add("--family", choices=tuple(TOWER_OF), default="qwen2_5_vl")
    add("--blocks", type=int, default=0, help="of the vision tower (default: one, stubbed)")
    add("--tiny", action="store_true", help="the tiny checkpoint's own tower: all but it shows")
    add("--size", choices=tuple(SIZES), default="1080p", help="of photographs (default 1080p)")
    add("--clip", action="store_true", help=f"clips of {FRAMES} frames of 720p, not photographs")
    add("--requests", type=int, default=8, help="one after the other (default 8)")
    add("--at-once", type=int, default=16, help="requests, four at a time (default 16)")
    add("--rounds", type=int, default=2, help="starts of each arm (default 2)")
    generator = ENVIRONMENTS / "vllm" / "bin" / "vllm"
    add("--generator", type=Path, default=generator, help="executable of vLLM with its benchmarks")
    options = options_of.parse_args()
    if not options.generator.exists():
        sys.exit(
            f"no load generator at {options.generator}: build the environment vllm, or name one"
        )
    is_stubbed = not options.blocks
    blocks = "its blocks stubbed" if is_stubbed else f"{options.blocks} blocks"
    tower = f"tiny {options.family}" if options.tiny else TOWER_OF[options.family]
    shown = f"{tower} with {blocks}"
    size = SIZES[options.size]
    loads = [] if options.clip else [Load(size, 1, 4, options.at_once)]
    with (
        recording(table, WHAT, options.results) as rows,
        tempfile.TemporaryDirectory(prefix="engine_ext-pixels-") as name,
    ):
        folder = Path(name)
        model = make(options.family, None if options.tiny else max(1, options.blocks), folder)
        arms = Arms(
            *(WHAT, ENGINES[options.engine], model, options.generator, folder),
            {**BESIDE[options.engine], **OURS},
            stages.environ(folder, is_stubbed=is_stubbed),
            BEST_SETTINGS,
        )
        one_by_one = OneByOne(folder, clip if options.clip else picture(size), options.requests)
        try:
            arms.measure(loads, options.rounds, one_by_one.ask)
        finally:
            media = Load(CLIP, FRAMES, 1, 1) if options.clip else Load(size, 1, 1, 1)
            rows += one_by_one.rows(f"{shown}, {media.shown}")
            rows += arms.rows(shown)


class OneByOne:
    """Requests one after the other, by stages.

    Args:
        folder: where the engine's processes write their stages.
        media: the content part of a number.
        count: requests to each server, after some that warm it.
    """

    def __init__(self, folder: Path, media: Callable[[int], dict[str, Any]], count: int) -> None:
        self.folder, self.media, self.count = folder, media, count
        self.found: dict[str, list[dict[str, float]]] = {}
        self.asked = FIRST

    def ask(self, arm: str, server: Server) -> None:
        """What no server has seen, to be answered by one token."""
        client, found = server.client(), self.found.setdefault(arm, [])
        for number in range(-WARMING, self.count):
            self.asked += 1
            content = [self.media(self.asked), {"type": "text", "text": QUESTION}]
            stages.take(self.folder)
            begun = perf_counter()
            ask(client, server.model, content, max_tokens=1)
            whole = 1e3 * (perf_counter() - begun)
            spent, size = stages.take(self.folder)
            if number >= 0:
                host = sum(spent[stage] for stage in HOST)
                found.append({**spent, HOST_TIME: host, BYTES: size, WHOLE: whole})

    def rows(self, shape: str) -> Iterator[Row]:
        """A row for each stage and arm, and for their sums; nothing unless all arms were asked."""
        if not all(self.found.get(arm) for arm in (OFF, *OURS)):
            return
        for name in (*STAGES, SCHEDULER, HASHED, HOST_TIME, WHOLE, BYTES):
            times = {arm: Times.of([one[name] for one in self.found[arm]]) for arm in self.found}
            if all(each.median for each in times.values()):
                yield from compared(times, OFF, **_fields(name, shape))
                continue
            for arm, each in times.items():  # a stage that an arm has not: no ratio
                yield Row(provider=arm, **vars(each), **_fields(name, shape))


def _fields(name: str, shape: str) -> Mapping[str, Any]:
    return {
        "what": f"{WHAT}, {name}",
        "shape": shape,
        "count": 1,
        "dtype": DTYPE,
        "device": devices.name("cpu"),
        "unit": "B" if name == BYTES else "ms",
        "engine": devices.engine(),
    }


def picture(size: tuple[int, int]) -> Callable[[int], dict[str, Any]]:
    """Photographs of a size, as content parts of OpenAI's API."""

    return lambda number: part("image/jpeg", photograph(number, size))


def clip(number: int) -> dict[str, Any]:
    """Photographs that take turns; another first one for every number."""
    pictures = [photograph(each, CLIP) for each in (number, FIRST, FIRST + 1)]
    frames = [Image.open(io.BytesIO(picture)) for picture in pictures]
    own, others = frames[:1], frames[1:] * FRAMES
    return part("video/avi", encode_avi([*own, *others[: FRAMES - 1]], FPS))


def table(rows: Sequence[Row]) -> Table:
    title = f", {rows[0].device}: raw pixels off and on"
    return by_arm(rows, title, "image", "at a time", has_unit=True)


if __name__ == "__main__":
    main()
