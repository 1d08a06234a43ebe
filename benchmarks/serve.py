"""Requests to a real server, with the extension off and on.

    python -m benchmarks.serve --engine sglang

Starts the stock command over a checkpoint with a real patch projection and none of the tower's
blocks (a CPU takes minutes for them), the two arms by turns, and sends photographs by vLLM's load
generator, which runs in vLLM's environment. Run it where the engine is installed, on a machine that
does nothing else. The first token of each load is compared between all servers.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from benchmarks.command import parser, recording
from benchmarks.printed import by_arm
from benchmarks.record import Row
from benchmarks.serve_arms import Arms
from benchmarks.serve_load import Load
from benchmarks.serve_model import TOWER_OF, make
from benchmarks.serve_tables import ON
from engine_ext.installed import installed_version
from engine_ext.sglang.versions import (
    EXTERNAL_PACKAGE,
    EXTERNAL_VARIABLE,
    PLUGINS_SINCE,
    PROCESSOR_PACKAGE,
    PROCESSORS_VARIABLE,
)
from engine_ext.versions import parse_version
from evals import ENVIRONMENTS
from evals.serving.engines import ENGINES
from evals.serving.servers import end_on_sigterm

WHAT = "serve"
LOADS = {
    "small": [Load((448, 448), 1, concurrency, max(8, concurrency)) for concurrency in (1, 4, 16)],
    "several": [Load((448, 448), 4, concurrency, 8) for concurrency in (1, 4)],
    "1080p": [Load((1920, 1080), 1, concurrency, max(4, concurrency)) for concurrency in (1, 4)],
    "4k": [Load((3840, 2160), 1, 1, 2)],
}


def main() -> None:
    end_on_sigterm()
    options_of = parser(__doc__)
    add = options_of.add_argument
    here = next((name for name in ENGINES if installed_version(name)), "vllm")
    add("--engine", choices=ENGINES, default=here, help=f"installed here: {here}")
    add("--family", choices=tuple(TOWER_OF), default="glm4v")
    add("--blocks", type=int, default=0, help="of the vision tower (default none)")
    add("--loads", nargs="+", choices=tuple(LOADS), default=list(LOADS))
    add("--rounds", type=int, default=2, help="starts of each arm (default 2)")
    generator = ENVIRONMENTS / "vllm" / "bin" / "vllm"
    add("--generator", type=Path, default=generator, help="executable of vLLM with its benchmarks")
    options = options_of.parse_args()
    if not options.generator.exists():
        sys.exit(
            f"no load generator at {options.generator}: build the environment vllm, or name one"
        )
    loads = [load for name in options.loads for load in LOADS[name]]
    with (
        recording(table, WHAT, options.results) as rows,
        tempfile.TemporaryDirectory(prefix="engine_ext-serve-") as folder,
    ):
        model = make(options.family, options.blocks, Path(folder))
        arms = Arms(
            *(WHAT, ENGINES[options.engine], model, options.generator, Path(folder)),
            {ON: {"ENGINE_EXT": "linear,mrope", **way_in(options.engine)}},
        )
        try:
            arms.measure(loads, options.rounds)
        finally:
            rows += arms.rows(f"{TOWER_OF[options.family]} with {options.blocks} blocks")


def way_in(engine: str) -> dict[str, str]:
    """Variables by which an engine that loads no plugins finds the extension."""
    version = parse_version(installed_version(engine) or "")
    if engine != "sglang" or version >= PLUGINS_SINCE:
        return {}
    return {EXTERNAL_VARIABLE: EXTERNAL_PACKAGE, PROCESSORS_VARIABLE: PROCESSOR_PACKAGE}


def table(rows: Sequence[Row]) -> Table:
    title = f", {rows[0].device}: extension off and on"
    return by_arm(rows, title, "load", "at a time", ratio=".3f", has_unit=True)


if __name__ == "__main__":
    main()
