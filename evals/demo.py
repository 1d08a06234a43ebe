"""``make demo``: one real server with the extension and one without, asked the same questions.

Exit status 0 only if every answer agrees, every first token is as likely, the answers are right,
and the status file says that the projection was replaced and verified. The feature is named, so
that it is replaced where the engine multiplies already, too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from engine_ext import status
from evals import checkpoints
from evals.checkpoints.questions import LETTERS, Question, chat_content, held_out
from evals.serving import status_lines
from evals.serving.asking import Reply, ask, differences
from evals.serving.engines import ENGINES
from evals.serving.leaving import leave_when_told
from evals.serving.servers import cpu_server

ARMS = {"on": "linear", "off": "off"}
"""What each server has in ``ENGINE_EXT``."""

Replies = Mapping[str, Reply]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--engine", choices=ENGINES, default="vllm")
    parser.add_argument("--family", choices=checkpoints.FAMILIES, default="qwen3_vl")
    parser.add_argument("--questions", type=int, default=6, help="how many (default 6)")
    parser.add_argument("--logs", type=Path, help="folder for server logs (default: a new one)")
    options = parser.parse_args()
    leave_when_told()
    logs = options.logs or Path(tempfile.mkdtemp(prefix="engine_ext-demo-"))
    logs.mkdir(parents=True, exist_ok=True)
    status_file = logs / "status.jsonl"
    status_file.unlink(missing_ok=True)
    console = Console(width=max(Console().width, 120))
    engine, model = ENGINES[options.engine], checkpoints.path(options.family)
    questions = held_out(limit=options.questions, side=checkpoints.side(options.family))

    replies: dict[str, Replies] = {}
    for arm, features in ARMS.items():
        environ = {"ENGINE_EXT": features, status.VARIABLE: str(status_file)}
        log = logs / f"server-{arm}.log"
        title = f"{engine.shown}, {options.family}, extension {arm}"
        waiting = console.status(f"{title}: starting (about 40 s)")
        with waiting, cpu_server(engine, model, log, environ=environ) as server:
            console.print(f"{title}: serving at {server.url}")
            client = server.client()
            replies[arm] = {_key(q): ask(client, server.model, chat_content(q)) for q in questions}

    lines = status_lines.of_models(status_file)
    console.print(_answers(questions, replies))
    for line in lines:
        for module in line["modules"]:
            difference = module["difference"]
            verified = "not checked"
            if difference is not None:
                verified = f"verified difference {difference:.1e}"
            console.print(
                f"replaced in process {line['pid']}: {module['name']}, a {module['replaced']}, "
                f"weight {tuple(module['weight_shape'])}, {verified}",
                highlight=False,
            )
    faults = _faults(questions, replies, lines)
    for fault in faults:
        console.print(f"[red]{fault}")
    same = "[green]the same answers with and without the extension"
    console.print(f"[red]{len(faults)} faults" if faults else same)
    console.print(f"server logs: {logs}", highlight=False)
    return 1 if faults else 0


def _key(question: Question) -> str:
    """Two questions of other kinds may show the same picture."""
    return f"{question.kind}, {question.name}"


def _answers(questions: Sequence[Question], replies: Mapping[str, Replies]) -> Table:
    table = Table("image", "question", "right answer", title="the same questions to both servers")
    for arm in ARMS:
        table.add_column(f"extension {arm}")
        table.add_column("log-prob.", justify="right")
    for question in questions:
        right = question.options[LETTERS.index(question.answer)]
        given = [replies[arm][_key(question)] for arm in ARMS]
        table.add_row(
            question.name,
            question.text.splitlines()[0],
            f"{question.answer} ({right})",
            *(cell for reply in given for cell in (reply.text, f"{reply.logprobs[0]:.4f}")),
        )
    return table


def _faults(
    questions: Sequence[Question], replies: Mapping[str, Replies], lines: Sequence[dict[str, Any]]
) -> list[str]:
    """What is not as it must be, in words; empty when all is well."""
    faults = differences(replies["off"], replies["on"])
    right = sum(replies["on"][_key(question)].text == question.answer for question in questions)
    if right < checkpoints.SHARE_RIGHT * len(questions):
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
