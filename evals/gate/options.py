"""The command line of the gate."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from evals.checkpoints import LOGPROB_TOLERANCE
from evals.gate.client import API_KEY, address
from evals.gate.validity import MOST_UNANSWERED
from evals.serving.engines import ENGINES

EXAMPLES = """\
exit status: 0 PASS, 1 FAIL, 2 INVALID or a usage error.

  python -m evals.gate --engine vllm --model Qwen/Qwen3-VL-8B-Instruct
  python -m evals.gate --engine sglang --model zai-org/GLM-4.5V --no-thinking -- --tp-size 4
  python -m evals.gate --baseline-url http://a:8000 --candidate-url http://b:8000 --trust-servers
"""


class BadOptions(ValueError):
    """Options that do not go together, or name what does not exist."""


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options; what follows ``--`` is in ``engine_arguments``.

    Raises:
        BadOptions: they name no two arms, or a file that does not exist.
        SystemExit: as argparse has it.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    engine_arguments: list[str] = []
    if "--" in given:
        cut = given.index("--")
        given, engine_arguments = given[:cut], given[cut + 1 :]
    options = _parser().parse_args(given)
    options.engine_arguments = engine_arguments
    _check(options)
    options.out = options.out or Path(f"gate-{datetime.now():%Y%m%d-%H%M%S}")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m evals.gate",
        description="Ask a stock engine and one with the extension the same questions, and judge.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arms = parser.add_argument_group("servers, started one after the other").add_argument
    arms("--engine", choices=ENGINES)
    arms("--model", help="path or name; what follows -- goes to the engine")
    arms("--engine-python", type=Path, default=Path(sys.executable), help="default this Python")
    arms("--features", help="ENGINE_EXT of the candidate (default: unset, what its engine runs)")
    arms("--port", type=int, help="of both servers (default: a free one)")
    arms("--start-timeout", type=float, default=1800, metavar="SECONDS", help="default 1800")
    arms("--cpu", action="store_true", help="by settings for a CPU (evals/serving/engines.py)")
    arms("--candidate-model", help="another model is meant: to see the gate fail")
    arms = parser.add_argument_group("or servers that run already").add_argument
    arms("--baseline-url")
    arms("--candidate-url")
    arms("--served-model-name", help="where a server has several")
    arms("--baseline-status", type=Path, metavar="FILE", help="its ENGINE_EXT_STATUS")
    arms("--candidate-status", type=Path, metavar="FILE", help="its ENGINE_EXT_STATUS")
    arms("--trust-servers", action="store_true", help="take it on trust which server is which")
    arms("--api-key-env", default=API_KEY, metavar="NAME", help=f"variable (default {API_KEY})")
    arms("--baseline-samples", type=Path, metavar="FILE", help="samples.jsonl of an earlier run")
    what = parser.add_argument_group("questions").add_argument
    what("--task", default="mmmu_val", help="of lmms-eval (default mmmu_val)")
    what("--dataset", type=Path, metavar="PATH", help="Parquet file or folder, instead of the hub")
    what("--subjects", type=lambda text: tuple(text.split(",")), default=(), metavar="A,B")
    what("--limit", type=int, help="ask only so many, from the first")
    what("--max-new-tokens", type=int, default=128, help="default 128")
    what("--no-thinking", action="store_true", help="enable_thinking=false in the chat template")
    what("--score", help="metric of another task that holds the score of a sample")
    what("--concurrency", type=int, default=4, help="requests at a time (default 4)")
    judged = parser.add_argument_group("verdict").add_argument
    judged("--max-drop", type=float, default=0.01, help="allowed drop in accuracy (default 0.01)")
    judged("--min-accuracy", type=float, help="a server below it answers by chance: invalid")
    shown = f"share of replies that may be none (default {MOST_UNANSWERED})"
    judged("--max-unanswered", type=float, default=MOST_UNANSWERED, metavar="SHARE", help=shown)
    judged("--smoke", action="store_true", help="too few questions are a warning")
    judged("--logprobs", type=int, default=0, metavar="N", help="compare N images and N videos too")
    judged("--logprob-tolerance", type=float, default=LOGPROB_TOLERANCE, metavar="DIFFERENCE")
    written = parser.add_argument_group("output").add_argument
    written("--out", type=Path, help="folder (default gate-DATE-TIME)")
    return parser


def _check(options: argparse.Namespace) -> None:
    started = options.engine is not None or options.model is not None
    if started and (options.engine is None or options.model is None):
        raise BadOptions("--engine and --model go together")
    if started and (options.baseline_url or options.candidate_url):
        raise BadOptions("give --engine and --model, or URLs, not both")
    if not started and not options.candidate_url:
        raise BadOptions("no candidate: give --engine and --model, or --candidate-url")
    if not started and not (options.baseline_url or options.baseline_samples):
        raise BadOptions("no baseline: give --baseline-url or --baseline-samples")
    if options.baseline_url and options.baseline_samples:
        raise BadOptions("give --baseline-url or --baseline-samples, not both")
    _check_addresses(options)
    for model in filter(None, (options.model, options.candidate_model)):
        if model.startswith((".", "/", "~")) and not Path(model).expanduser().exists():
            raise BadOptions(f"no model at {model}")
    for name in ("dataset", "baseline_samples", "baseline_status", "candidate_status"):
        path = getattr(options, name)
        if path is not None and not path.exists():
            raise BadOptions(f"--{name.replace('_', '-')}: no {path}")
    if options.subjects and options.task != "mmmu_val":
        raise BadOptions("--subjects are those of mmmu_val")
    if not 0 < options.max_drop < 1:
        raise BadOptions(f"--max-drop: found {options.max_drop}, expected a share between 0 and 1")
    if not 0 <= options.max_unanswered < 1:
        raise BadOptions(f"--max-unanswered: found {options.max_unanswered}, expected 0 up to 1")
    for name in ("limit", "max_new_tokens", "concurrency"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise BadOptions(f"--{name.replace('_', '-')}: found {value}, expected 1 or more")


def _check_addresses(options: argparse.Namespace) -> None:
    urls = list(filter(None, (options.baseline_url, options.candidate_url)))
    try:
        addresses = [address(url) for url in urls]
    except ValueError as error:
        raise BadOptions(f"no address of a server: {error}") from error
    if len(addresses) != len(set(addresses)):
        raise BadOptions(
            f"--baseline-url and --candidate-url name one server, {' and '.join(urls)}: expected"
            " one without the extension and one with it"
        )
