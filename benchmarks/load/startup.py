"""How long an engine takes to start, with the extension and without.

    python -m benchmarks.load.startup --engine sglang

Starts the stock command over a tiny checkpoint, with the extension and without any plugin by turns,
and waits until the server answers ``/health``. Run it on a machine that does nothing else.
"""

from __future__ import annotations

from benchmarks.command import add_engine, parser, recording_in_folder
from benchmarks.record import OFF, ON, compared
from benchmarks.serve.arms import Arms
from evals import checkpoints
from evals.serving.engines import ENGINES

WHAT = "startup"


def main() -> None:
    options_of = parser(__doc__)
    add = options_of.add_argument
    add_engine(options_of, ENGINES)
    add("--family", choices=checkpoints.FAMILIES, default="qwen3_vl")
    add("--runs", type=int, default=5, help="of each (default 5)")
    options = options_of.parse_args()
    engine = ENGINES[options.engine]
    with recording_in_folder(WHAT, options.results) as (rows, folder):
        environ = {OFF: engine.without_plugins, ON: {"ENGINE_EXT": "linear"}}
        model = checkpoints.path(options.family)
        arms = Arms(engine, model, folder, environ, settings={})
        arms.by_turns(options.runs + 1, lambda *_: None)
        # The first starts read files that later ones find in memory: they do not count.
        for run in range(1, options.runs + 1):
            rows += compared(
                {arm: [seconds[run]] for arm, seconds in arms.seconds.items()},
                OFF,
                what=WHAT,
                model=options.family,
                count=run,
                unit="s",
            )


if __name__ == "__main__":
    main()
