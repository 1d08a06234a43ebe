"""Everything that a GPU can tell, in one command and ten minutes.

    python -m benchmarks.gpu

Needs a checkout, torch with CUDA, transformers and rich; no engine, no network. Writes CSV below
`--results`, which can be added to a checkout's `benchmarks/results/`, and prints short tables.
"""

from __future__ import annotations

import subprocess
import sys
import time

import torch

from benchmarks import device as devices
from benchmarks.command import parser

RUNS = (
    ("benchmarks.patch_embed", "--seconds", "2"),
    ("benchmarks.tower", "--seconds", "10"),
    ("benchmarks.load", "--runs", "3"),
)


def main() -> int:
    options = parser(__doc__).parse_args()
    if not torch.cuda.is_available():
        print(f"torch {torch.__version__} sees no GPU; `make bench` is for a CPU", file=sys.stderr)
        return 2
    begun = time.monotonic()
    print(f"{devices.name('cuda')}, torch {torch.__version__}", flush=True)
    failed = []
    for module, *given in RUNS:
        command = [sys.executable, "-m", module, *given, "--device", "cuda"]
        if subprocess.run([*command, "--results", str(options.results)], check=False).returncode:
            failed.append(module)
        print(f"{module}: {time.monotonic() - begun:.0f} s since the start", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}; the others are written", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
