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
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import device as devices
from benchmarks.command import parser
from benchmarks.gpu_server.answers import compare
from benchmarks.gpu_server.servers import Session
from benchmarks.gpu_server.speed import speed, stages_of
from evals.serving.leaving import leave_when_told

PARTS: dict[str, tuple[Callable[..., None], tuple[str, ...]]] = {
    "first family": (compare, ("qwen2_5_vl",)),
    "speed": (speed, ()),
    "stages": (stages_of, ()),
    "other families": (compare, ("qwen3_vl", "qwen2_vl", "glm4v")),
}
"""What is called with which families. The first shows what fails; the others stand side by side."""


class OutOfTime(BaseException):
    """``--seconds`` have passed: what was measured is kept, servers are stopped."""


def main() -> int:
    made = parser(__doc__, devices=("cuda", "cpu"))
    add = made.add_argument
    add("--only", nargs="+", choices=tuple(PARTS), default=list(PARTS), help="some of the parts")
    add("--seconds", type=float, default=240, help="for everything (default 240)")
    add("--blocks", type=int, default=32, help="of the large tower (default 32)")
    add("--image", type=int, nargs=2, default=(1920, 1080), help="pixels, of the large tower")
    add("--rounds", type=int, default=6, help="by turns, of the large tower")
    add("--flags", default="", help="more flags for every server, in one string")
    options = made.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGALRM, _out_of_time)
    leave_when_told()
    signal.setitimer(signal.ITIMER_REAL, options.seconds)
    failed = list(options.only)
    with tempfile.TemporaryDirectory(prefix="engine_ext-gpu-") as folder:
        session = Session(options, Path(folder))
        session.say(f"{devices.name(options.device)}, {devices.engine()}")
        try:
            for part in options.only:
                session.say(f"{part}: begun")
                measure, families = PARTS[part]
                try:
                    measure(session, *families)
                    failed.remove(part)
                except Exception:
                    session.say(f"{part}: FAILED\n{traceback.format_exc()}")
        except OutOfTime:
            session.say(f"{options.seconds:g} s have passed: ended")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    session.say(f"failed, or not done: {', '.join(failed) or 'nothing'}")
    return 1 if failed else 0


def _out_of_time(*_: Any) -> None:
    raise OutOfTime


if __name__ == "__main__":
    sys.exit(main())
