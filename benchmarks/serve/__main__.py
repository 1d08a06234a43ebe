"""Requests to a real server, with the extension off and on.

    python -m benchmarks.serve --engine sglang

Starts the stock command over a checkpoint with a real patch projection and none of the tower's
blocks (a CPU takes minutes for them), the two servers by turns, and sends photographs by vLLM's
load generator, which runs in vLLM's environment. Run it where the engine is installed, on a machine
that does nothing else. The first token of each load is compared between all servers.
"""

from __future__ import annotations

from benchmarks.command import add_engine, parser, recording_in_folder
from benchmarks.record import ON
from benchmarks.serve.arms import STOCK, Arms
from benchmarks.serve.load import Load, Loads, add_generator
from benchmarks.serve.media import SIZES
from benchmarks.serve.model import TOWER_OF, make
from engine_ext.installed import installed_version
from engine_ext.sglang.versions import (
    EXTERNAL_PACKAGE,
    EXTERNAL_VARIABLE,
    PLUGINS_SINCE,
    PROCESSOR_PACKAGE,
    PROCESSORS_VARIABLE,
)
from engine_ext.versions import parse_version
from evals.serving.engines import ENGINES

WHAT = "serve"
LOADS = {
    "small": [
        Load(SIZES["448"], 1, concurrency, max(8, concurrency)) for concurrency in (1, 4, 16)
    ],
    "several": [Load(SIZES["448"], 4, concurrency, 8) for concurrency in (1, 4)],
    "1080p": [Load(SIZES["1080p"], 1, concurrency, 4) for concurrency in (1, 4)],
    "4k": [Load(SIZES["4k"], 1, 1, 2)],
}


def main() -> None:
    options_of = parser(__doc__)
    add = options_of.add_argument
    add_engine(options_of, ENGINES)
    add("--family", choices=tuple(TOWER_OF), default="glm4v")
    add("--blocks", type=int, default=0, help="of the vision tower (default none)")
    add("--loads", nargs="+", choices=tuple(LOADS), default=list(LOADS))
    add("--rounds", type=int, default=2, help="starts of each server (default 2)")
    add_generator(options_of)
    options = options_of.parse_args()
    loads = [load for name in options.loads for load in LOADS[name]]
    with recording_in_folder(WHAT, options.results) as (rows, folder):
        model = make(options.family, options.blocks, folder)
        sent = Loads(loads, model, folder, options.generator)
        on = {ON: {"ENGINE_EXT": "linear,mrope", **way_in(options.engine)}}
        arms = Arms(ENGINES[options.engine], model, folder, {**STOCK, **on})
        try:
            arms.by_turns(options.rounds, sent.send)
        finally:
            tower = f"{options.blocks} blocks"
            rows += sent.rows(arms.environ, model=TOWER_OF[options.family], tower=tower)


def way_in(engine: str) -> dict[str, str]:
    """Variables by which an engine that loads no plugins finds the extension."""
    version = parse_version(installed_version(engine) or "")
    if engine != "sglang" or version >= PLUGINS_SINCE:
        return {}
    return {EXTERNAL_VARIABLE: EXTERNAL_PACKAGE, PROCESSORS_VARIABLE: PROCESSOR_PACKAGE}


if __name__ == "__main__":
    main()
