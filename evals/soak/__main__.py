"""Half an hour of mixed and malformed requests against one real server, and what came of it.

A stock server answers the reference questions first and shows what it makes of each malformed
request. Then a server with the extension answers the same, is sent the mix, and answers again.

Exit status 0 only if no well-formed request failed, every odd one was treated as stock treats it,
the answers before and after are stock's, and the memory did not grow.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from evals import ENVIRONMENTS, PROJECT, checkpoints
from evals.serving.engines import ENGINES
from evals.serving.servers import ServerFailed, end_on_sigterm
from evals.soak import outcome, report
from evals.soak.arm import DEFAULT, OFF, ON, PROMPT
from evals.soak.course import Soak, Soaked, Stock
from evals.soak.load import Load, LoadFailed

LOCUST = ENVIRONMENTS / "soak" / "bin" / "python"
WARM_UP_RATE = 5
"""Times the rate of the soak: allocators of engines settle after about 1500 requests."""

MALLOC_HELP = (
    "prompt (default): glibc returns what is freed at once; default: as an operator has it"
)


def main() -> int:
    options = _options()
    end_on_sigterm()
    console = Console(width=max(Console().width, 100))
    soak = Soak(
        engine=ENGINES[options.engine],
        family=options.family,
        extension=options.extension,
        malloc=options.malloc,
        warm_up=Load(options.warm_up, WARM_UP_RATE * options.rate, options.users),
        load=Load(options.minutes, options.rate, options.users),
        logs=options.logs,
        locust=options.locust,
        console=console,
    )
    try:
        stock = soak.ask_stock()
        soaked = soak.run(stock)
    except (ServerFailed, LoadFailed) as failure:
        console.print(f"[red]{escape(str(failure))}")
        return 1
    result, found = _result(soak, stock, soaked)
    _show(console, soak.title, result, found)
    name = report.name(soak)
    file = report.write(options.results, name, result)
    picture = options.images / f"soak-{name}.png"
    plot = [str(options.locust), "-m", "evals.soak.plot", str(file), str(picture)]
    subprocess.run(plot, check=True, cwd=PROJECT)
    for what, path in (("written", file), ("written", picture), ("logs", options.logs)):
        console.print(f"{what}: {path}", highlight=False, soft_wrap=True)
    return 1 if result["faults"] else 0


def _result(soak: Soak, stock: Stock, soaked: Soaked) -> tuple[dict[str, Any], list[outcome.Kind]]:
    found = outcome.kinds(soaked.answers)
    warm_faults = outcome.answer_faults(soaked.warm_up, outcome.kinds(soaked.warm_up), due=0)
    faults = [
        *outcome.reply_faults("before", stock.replies, soaked.before),
        *outcome.reply_faults("after", stock.replies, soaked.after),
        *(f"warm-up: {fault}" for fault in warm_faults if soaked.warm_up),
        *outcome.answer_faults(soaked.answers, found, soak.load.due),
        *outcome.memory_faults(soaked.samples, soak.load.minutes),
    ]
    if bool(soaked.replaced) != (soak.extension == ON):
        faults.append(f"the status file names {len(soaked.replaced)} replaced modules")
    result = {
        **report.heading(soak),
        "faults": faults,
        "warm_up_requests": len(soaked.warm_up),
        "requests": len(soaked.answers),
        "share_right": round(outcome.share_right(soaked.answers), 4),
        "reference": report.reference_rows(stock.replies, soaked.before, soaked.after),
        "replaced": [module["name"] for module in soaked.replaced],
        "stock_oddities": outcome.stock_oddities(found),
        "kinds": [report.kind_row(kind, stock.refusals) for kind in found],
        "memory": report.memory_row(soaked.samples),
    }
    return result, found


def _show(console: Console, title: str, result: dict[str, Any], found: list[outcome.Kind]) -> None:
    console.print(report.table(title, found))
    faults = result["faults"]
    for line in report.lines(result):
        console.print(escape(line), highlight=False)
    if result["minutes"] < outcome.SHORTEST_FIT:
        console.print(f"growth is judged from {outcome.SHORTEST_FIT} minutes on", highlight=False)
    for fault in faults:
        console.print(f"[red]{escape(fault)}")
    console.print(f"[red]{len(faults)} faults" if faults else "[green]nothing went wrong")


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
    add("--extension", choices=(ON, OFF), default=ON, help="off: soak stock, to compare memory")
    add("--malloc", choices=(PROMPT, DEFAULT), default=PROMPT, help=MALLOC_HELP)
    add("--results", type=Path, default=report.RESULTS, help="folder for the result")
    add("--images", type=Path, default=PROJECT / "docs" / "images", help="folder for the plot")
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
