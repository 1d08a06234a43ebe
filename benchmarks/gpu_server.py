"""Real SGLang servers on a GPU: the same answers with the extension off and on, and how fast.

    python -m benchmarks.gpu_server --results FOLDER --seconds 230

For a machine as `environments/gpu/install.sh` prepares it. Adds rows to `gpu_server.csv`, says what
it does in `gpu_server.log`, and keeps the end of every server's output in `servers.log`, also where
something fails or time runs out. `--only` names parts; `--device cpu` is a rehearsal.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import device as devices
from benchmarks.command import parser
from benchmarks.record import Row, append
from benchmarks.serve_model import make
from benchmarks.server_arms import ARMS, Kept, Setting, started
from benchmarks.server_equal import compare
from benchmarks.server_speed import Measured, speed, stages_of
from evals import checkpoints

WHAT = "gpu_server"
FAMILIES = ("qwen2_5_vl", "qwen3_vl", "qwen2_vl", "glm4v")
PARTS = ("qwen2_5_vl", "speed", "stages", "qwen3_vl", "qwen2_vl", "glm4v")
TOWER, BLOCKS = "qwen2_5_vl", 32
STOPPING = 8
"""Seconds for stopping servers, before time runs out."""
FALLBACKS = {"torch_native": "triton", "triton": "torch_native"}


class OutOfTime(BaseException):
    """``--seconds`` have passed: what was measured is kept, servers are stopped."""


def main() -> int:
    made = parser(__doc__, devices=("cuda", "cpu"))
    add = made.add_argument
    add("--only", nargs="+", choices=PARTS, default=list(PARTS), help="some of the parts")
    add("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="of the families' parts")
    add("--seconds", type=float, default=240, help="for everything (default 240)")
    add("--start-seconds", type=float, default=100, help="for a server to start (default 100)")
    add("--side-by-side", type=int, default=9, help="servers at a time (default 9)")
    add("--attention", default="torch_native", help="SGLang's backend (default torch_native)")
    add("--vision-attention", default="triton_attn", help="of `speed` and `stages`")
    add("--blocks", type=int, default=BLOCKS, help=f"of the large tower (default {BLOCKS})")
    add("--image", type=int, nargs=2, default=(1920, 1080), help="pixels, of the large tower")
    add("--rounds", type=int, default=6, help="by turns, of the large tower")
    add("--flags", default="", help="more flags for every server, in one string")
    options = made.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.setitimer(signal.ITIMER_REAL, options.seconds)
    with tempfile.TemporaryDirectory(prefix="engine_ext-gpu-") as folder:
        kept = Kept(options.results, time.monotonic())
        run = Run(options, kept, Path(folder))
        try:
            run.all()
        except OutOfTime:
            kept.say(f"{options.seconds:g} s have passed: ended")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    kept.say(f"failed: {', '.join(run.failed) or 'nothing'}; done: {', '.join(run.done)}")
    return 1 if run.failed or len(run.done) < len(options.only) else 0


def _out_of_time(*_: Any) -> None:
    raise OutOfTime


class Run:
    """The parts, one after the other; families that fit beside each other together."""

    def __init__(self, options: Any, kept: Kept, folder: Path) -> None:
        self.options, self.kept, self.folder = options, kept, folder
        self.done: list[str] = []
        self.failed: list[str] = []
        self.large: Future[Path] | None = None

    def all(self) -> None:
        self.kept.say(f"{devices.name(self.options.device)}, {devices.engine()}")
        with ThreadPoolExecutor(1) as pool:
            if {"speed", "stages"} & set(self.options.only):
                self.large = pool.submit(self._make)
            waiting = [part for part in PARTS if part in self.options.only]
            while waiting:
                parts = self._beside(waiting)
                waiting = waiting[len(parts) :]
                self._part(parts)

    def _beside(self, waiting: list[str]) -> list[str]:
        """The first, alone: it shows what fails. Later families, as many as there is room for."""
        is_first = not self.done and not self.failed
        if waiting[0] not in FAMILIES or is_first:
            return waiting[:1]
        most = max(1, self.options.side_by_side // len(self.options.arms))
        count = 0
        while count < min(most, len(waiting)) and waiting[count] in FAMILIES:
            count += 1
        return waiting[:count]

    def _part(self, parts: list[str]) -> None:
        self.kept.say(f"{', '.join(parts)}: begun")
        try:
            try:
                self._measure(parts)
            except Exception as error:
                self._choose_others(parts, error)
                self._measure(parts)
            self.done += parts
        except Exception:
            self.failed += parts
            self.kept.say(f"{', '.join(parts)}: FAILED\n{traceback.format_exc()}")

    def _choose_others(self, parts: list[str], error: Exception) -> None:
        """Another attention backend for the second try, and from then on."""
        options = self.options
        if options.device == "cpu":
            raise error
        if parts[0] not in FAMILIES and options.vision_attention != "sdpa":
            options.vision_attention = "sdpa"
        elif options.attention in FALLBACKS:
            options.attention = FALLBACKS[options.attention]
        else:
            raise error
        said = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        backends = f"{options.attention}, {options.vision_attention}"
        self.kept.say(f"{', '.join(parts)}: {said}; again with {backends}")

    def _measure(self, parts: list[str]) -> None:
        if parts[0] in FAMILIES:
            self._families(parts)
            return
        assert self.large is not None
        model = self.large.result()
        setting = self._setting(self.options.vision_attention, large=True)
        measure = speed if parts[0] == "speed" else stages_of
        variables = {name: ARMS[name] for name in ("off", "on")}
        image, rounds = tuple(self.options.image), self.options.rounds
        measure(Measured(model, variables, setting, self.kept, self._record, image, rounds))

    def _families(self, families: list[str]) -> None:
        setting = self._setting("sdpa")
        wanted = {
            f"{family} {arm}": (checkpoints.path(family), ARMS[arm])
            for family in families
            for arm in self.options.arms
        }
        with started(wanted, setting, self.kept, self.folder) as servers:
            for family in families:
                arms = {arm: servers[f"{family} {arm}"] for arm in self.options.arms}
                compare(family, arms, self.kept, self._record)

    def _setting(self, vision: str, *, large: bool = False) -> Setting:
        left = self.options.seconds - (time.monotonic() - self.kept.begun) - STOPPING
        return Setting(
            device=self.options.device,
            attention=self.options.attention,
            vision_attention="sdpa" if self.options.device == "cpu" else vision,
            is_large=large,
            start_seconds=max(1, min(self.options.start_seconds, left)),
            flags=tuple(self.options.flags.split()),
        )

    def _make(self) -> Path:
        begun = time.monotonic()
        model = make(TOWER, self.options.blocks, self.folder)
        self.kept.say(f"made {model.name}: {time.monotonic() - begun:.0f} s")
        return model

    def _record(self, rows: list[Row]) -> None:
        append(rows, WHAT, self.options.results)


if __name__ == "__main__":
    sys.exit(main())
