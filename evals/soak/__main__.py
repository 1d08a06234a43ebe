"""Half an hour of mixed and malformed requests against one real server, and what came of it.

A stock server answers the reference questions first and shows what it makes of each malformed
request. Then a server with the extension answers the same, is sent the mix, and answers again.

Exit status 0 only if no well-formed request failed, every odd one was treated as stock treats it,
the answers before and after are stock's, and the memory did not grow.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from evals import ENVIRONMENTS, PROJECT, checkpoints
from evals.serving.engines import ENGINES
from evals.serving.leaving import leave_when_told
from evals.serving.servers import ServerFailed
from evals.soak import outcome, report
from evals.soak.course import soak
from evals.soak.load import Load, LoadFailed

RESULTS = Path(__file__).parent / "results"
IMAGES = PROJECT / "docs" / "images"
LOCUST = ENVIRONMENTS / "soak" / "bin" / "python"
MALLOC_HELP = (
    "prompt (default): glibc returns what is freed at once; default: as an operator has it"
)


def main() -> int:
    options = _options()
    leave_when_told()
    console = Console(width=max(Console().width, 100))
    try:
        soaked = soak(options, console)
    except (ServerFailed, LoadFailed) as failure:
        console.print(f"[red]{escape(str(failure))}")
        return 1
    found = outcome.kinds(soaked.answers)
    load = Load(options.minutes, options.rate, options.users)
    faults = outcome.faults(soaked, found, load, options.extension)
    result = report.result(options, soaked, found, faults)
    report.show(console, result)
    name = report.name(options)
    file, picture = options.results / f"{name}.json", options.images / f"soak-{name}.png"
    options.results.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=1) + "\n")
    plot = [str(options.locust), "-m", "evals.soak.plot", str(file), str(picture)]
    subprocess.run(plot, check=True, cwd=PROJECT)
    for what, path in (("written", file), ("written", picture), ("logs", options.logs)):
        console.print(f"{what}: {path}", highlight=False, soft_wrap=True)
    return 1 if faults else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m evals.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--engine", choices=ENGINES, default="vllm", help="default vllm")
    add("--family", choices=checkpoints.FAMILIES, default="qwen2_5_vl", help="default qwen2_5_vl")
    add("--minutes", type=float, default=30, help="how long (default 30)")
    add("--warm-up", type=float, default=3, help="minutes before, at 5 times the rate (default 3)")
    add("--rate", type=float, default=2, help="requests a second, of all users (default 2)")
    add("--users", type=int, default=4, help="clients at a time (default 4)")
    add("--extension", choices=("on", "off"), default="on", help="off: stock, to compare memory")
    add("--malloc", choices=("prompt", "default"), default="prompt", help=MALLOC_HELP)
    add("--results", type=Path, default=RESULTS, help="folder for the result")
    add("--images", type=Path, default=IMAGES, help="folder for the plot")
    add("--logs", type=Path, help="folder for logs (default: a new one)")
    add("--locust", type=Path, default=LOCUST, help="Python that has Locust (default: of .envs)")
    options = parser.parse_args()
    if min(options.minutes, options.rate, options.users) <= 0:
        parser.error("minutes, rate and users must be more than 0")
    if not options.locust.exists():
        parser.error(f"no {options.locust}: run python3.11 environments/build.py soak")
    options.logs = options.logs or Path(tempfile.mkdtemp(prefix="engine_ext-soak-"))
    options.logs.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    sys.exit(main())
