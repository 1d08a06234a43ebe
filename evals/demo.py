"""``make demo``: one real server with the extension and one without, asked the same questions.

Exit status 0 only if every answer agrees, every first token is as likely, the answers are right,
and the status file says that the projection was replaced and verified. The feature is named, so
that it is replaced where the engine multiplies already, too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from engine_ext import status
from evals import checkpoints
from evals.checkpoints import LOGPROB_TOLERANCE, SHARE_RIGHT
from evals.checkpoints.questions import LETTERS, Question, chat_content, held_out
from evals.serving.asking import Reply, ask
from evals.serving.engines import ENGINES, Engine
from evals.serving.servers import cpu_server, end_on_sigterm


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--engine", choices=ENGINES, default="vllm")
    parser.add_argument("--family", choices=checkpoints.FAMILIES, default="qwen3_vl")
    parser.add_argument("--questions", type=int, default=6, help="how many (default 6)")
    parser.add_argument("--logs", type=Path, help="folder for server logs (default: a new one)")
    options = parser.parse_args()
    end_on_sigterm()
    logs = options.logs or Path(tempfile.mkdtemp(prefix="engine_ext-demo-"))
    logs.mkdir(parents=True, exist_ok=True)
    console = Console(width=max(Console().width, 120))

    questions = held_out(limit=options.questions, side=checkpoints.side(options.family))
    status_file = logs / "status.jsonl"
    status_file.unlink(missing_ok=True)
    replies = {}
    for arm, features in (("on", "linear"), ("off", "off")):
        replies[arm] = _serve_and_ask(
            console, ENGINES[options.engine], options.family, arm, features, questions, logs
        )
    lines = status.read(status_file)

    console.print(_answers(questions, replies["on"], replies["off"]))
    for line in lines:
        for module in line["modules"]:
            console.print(
                f"replaced in process {line['pid']}: {module['name']}, a {module['replaced']}, "
                f"weight {tuple(module['weight_shape'])}, {_verified(module['difference'])}",
                highlight=False,
            )
    faults = _faults(questions, replies["on"], replies["off"], lines)
    for fault in faults:
        console.print(f"[red]{fault}")
    console.print(
        f"[red]{len(faults)} faults"
        if faults
        else "[green]the same answers with and without the extension"
    )
    console.print(f"server logs: {logs}", highlight=False)
    return 1 if faults else 0


def _serve_and_ask(
    console: Console,
    engine: Engine,
    family: str,
    arm: str,
    features: str,
    questions: list[Question],
    logs: Path,
) -> list[Reply]:
    environ = {"ENGINE_EXT": features, status.VARIABLE: str(logs / "status.jsonl")}
    model = checkpoints.path(family)
    log = logs / f"server-{arm}.log"
    title = f"{engine.shown}, {family}, extension {arm}"
    waiting = console.status(f"{title}: starting (about 40 s)")
    with waiting, cpu_server(engine, model, log, environ=environ) as server:
        console.print(f"{title}: serving at {server.url}")
        client = server.client()
        return [ask(client, server.model, chat_content(question)) for question in questions]


def _answers(questions: list[Question], on: list[Reply], off: list[Reply]) -> Table:
    table = Table(title="the same questions to both servers")
    table.add_column("image")
    table.add_column("question")
    table.add_column("right answer")
    for arm in ("on", "off"):
        table.add_column(f"extension {arm}")
        table.add_column("log-prob.", justify="right")
    for question, with_it, without in zip(questions, on, off, strict=True):
        right = question.options[LETTERS.index(question.answer)]
        table.add_row(
            question.name,
            question.text.splitlines()[0],
            f"{question.answer} ({right})",
            with_it.text,
            f"{with_it.logprobs[0]:.4f}",
            without.text,
            f"{without.logprobs[0]:.4f}",
        )
    return table


def _verified(difference: float | None) -> str:
    return "not checked" if difference is None else f"verified difference {difference:.1e}"


def _faults(
    questions: list[Question], on: list[Reply], off: list[Reply], lines: list[dict]
) -> list[str]:
    """What is not as it must be, in words; empty when all is well."""
    faults = []
    for question, with_it, without in zip(questions, on, off, strict=True):
        if with_it.tokens != without.tokens:
            faults.append(f"{question.name}: {with_it.text!r} with, {without.text!r} without")
        elif abs(with_it.logprobs[0] - without.logprobs[0]) > LOGPROB_TOLERANCE:
            faults.append(f"{question.name}: log-probabilities differ by over {LOGPROB_TOLERANCE}")
    right = sum(q.answer == reply.text for q, reply in zip(questions, on, strict=True))
    if right < SHARE_RIGHT * len(questions):
        faults.append(f"only {right} of {len(questions)} answers are right")
    modules = [module for line in lines for module in line["modules"]]
    if not modules:
        faults.append("the status file names no replaced module: was the extension on?")
    faults += [
        f"{module['name']} could not be checked: see the log of the server"
        for module in modules
        if module["difference"] is None
    ]
    if len(lines) > 1:
        faults.append("more than one server reported the extension: was it off in the other?")
    return faults


if __name__ == "__main__":
    sys.exit(main())
