"""Everything that a GPU can tell without an engine, in one command and eight minutes.

    python -m benchmarks.gpu

Needs a checkout, torch with CUDA, transformers and rich; no engine, no network. Adds rows to the
CSV below `--results`, writes what each part prints to `gpu.log` there, and ends with one table:
what was measured against what is expected of it. `--device cpu` is a rehearsal at small sizes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

import torch
from rich.markdown import Markdown

from benchmarks import device as devices
from benchmarks.command import console, parser
from benchmarks.gpu.summary import summary

PARTS = {
    "host path": ("gpu.host_path",),
    "rope": ("mrope.batch",),
    "tower": ("tower", "--seconds", "2"),
    "load": ("load", "--runs", "2", "--towers", "Qwen3-VL-8B"),
    "layer": ("patch_embed", "--seconds", "1", "--dtypes", "bfloat16", "float32"),
}
"""In this order: what is written as it goes comes last, for a run that a limit ends."""
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
    made.set_defaults(device="cuda")
    options = made.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print(
            f"torch {torch.__version__} sees no GPU: run this where one is visible, or rehearse"
            " with --device cpu (`make bench` measures a CPU)",
            file=sys.stderr,
        )
        return NO_GPU
    options.results.mkdir(parents=True, exist_ok=True)
    device = devices.name(options.device)
    print(f"{device}, torch {torch.__version__}", flush=True)
    begun = time.monotonic()
    failed = [part for part in options.only or PARTS if not _run(part, options, begun)]
    console().print(Markdown(summary(options.results, [device])))
    if failed:
        print(f"failed: {', '.join(failed)}; the others are written", file=sys.stderr)
    return FAILED if failed else DONE


def _run(part: str, options: argparse.Namespace, begun: float) -> bool:
    """Whether a part ended well; what it prints goes to the log."""
    module, *given = PARTS[part]
    given += REHEARSED[part] if options.device == "cpu" else ()
    command = [sys.executable, "-m", f"benchmarks.{module}", *given, "--device", options.device]
    command += ["--results", str(options.results)]
    log = options.results / "gpu.log"
    start = time.monotonic()
    with log.open("a") as output:
        print(f"\n$ {' '.join(command[1:])}", file=output, flush=True)
        done = subprocess.run(command, check=False, stdout=output, stderr=subprocess.STDOUT)
    now = time.monotonic()
    ended = "done" if done.returncode == 0 else f"FAILED, see {log}"
    print(f"  {part:10} {ended}: {now - start:.0f} s, {now - begun:.0f} s together", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
