"""Everything that a GPU can tell without an engine, in one command and eight minutes.

    python -m benchmarks.gpu

Needs a checkout, torch with CUDA, transformers and rich; no engine, no network. Adds rows to the
CSV below `--results`, writes what each part prints to `gpu.log` there, and ends with one table:
what was measured against what is expected of it. When its time is up the part that runs is ended,
and what it measured until then is kept. `--device cpu` is a rehearsal at small sizes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import torch
from rich.markdown import Markdown

from benchmarks import device as devices
from benchmarks.command import console, parser
from benchmarks.gpu.summary import summary
from evals.serving.leaving import ENDING, end, leave_when_told

PARTS = {
    "resize": ("gpu.resize",),
    "host path": ("gpu.host_path",),
    "rope": ("mrope.batch",),
    "tower": ("tower", "--seconds", "2"),
    "load": ("load", "--runs", "2", "--towers", "Qwen3-VL-8B"),
    "layer": ("patch_embed", "--seconds", "1", "--dtypes", "bfloat16", "float32"),
}
"""In this order: what takes longest comes last, for a run whose time is up."""
REHEARSED = {
    "layer": ("--counts", "64", "256"),
    "tower": ("--clips", "1", "--towers", "Qwen3-VL-8B"),
    "load": ("--runs", "1"),
    "host path": ("--images", "448x448"),
    "rope": ("--cases", "1 image"),
}
"""What each part is given besides for a rehearsal on a CPU."""
DONE, NO_GPU, FAILED = 0, 2, 1


def main() -> int:
    made = parser(__doc__, devices=("cuda", "cpu"))
    made.add_argument("--only", nargs="+", choices=tuple(PARTS), help="some of the parts")
    made.add_argument("--minutes", type=float, default=8, help="for everything (default 8)")
    made.set_defaults(device="cuda")
    options = made.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print(
            f"torch {torch.__version__} sees no GPU: run this where one is visible, or rehearse"
            " with --device cpu (`make bench` measures a CPU)",
            file=sys.stderr,
        )
        return NO_GPU
    leave_when_told()
    options.results.mkdir(parents=True, exist_ok=True)
    device = devices.name(options.device)
    print(f"{device}, torch {torch.__version__}", flush=True)
    begun = time.monotonic()
    failed = []
    for part in options.only or PARTS:
        left = 60 * options.minutes - ENDING - (time.monotonic() - begun)
        ended = _run(_command(part, options), options.results / "gpu.log", left)
        if ended != "done":
            failed.append(part)
        print(f"  {part:10} {ended}, {time.monotonic() - begun:.0f} s together", flush=True)
    console().print(Markdown(summary(options.results, [device])))
    if failed:
        print(f"not done: {', '.join(failed)}; what was measured is written", file=sys.stderr)
    return FAILED if failed else DONE


def _command(part: str, options: argparse.Namespace) -> list[str]:
    module, *given = PARTS[part]
    given += REHEARSED.get(part, ()) if options.device == "cpu" else ()
    command = [sys.executable, "-m", f"benchmarks.{module}", *given, "--device", options.device]
    return [*command, "--results", str(options.results)]


def _run(command: list[str], log: Path, seconds: float) -> str:
    """How a part ended; what it prints goes to the log."""
    if seconds <= 0:
        return "not begun: the time is up"
    with log.open("a") as output:
        print(f"\n$ {' '.join(command[1:])}", file=output, flush=True)
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            return "ended: the time is up"
        finally:
            end(process)  # it writes its rows then
    return "done" if code == 0 else f"FAILED, see {log}"


if __name__ == "__main__":
    sys.exit(main())
