"""A run of the gate, from its options to the report."""

from __future__ import annotations

import argparse
import json
import traceback
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from engine_ext.doctor.status_file import BadStatusFile
from evals.gate import html, logprobs, report, tasks, terminal
from evals.gate.arms import ARMS, BASELINE, CANDIDATE, ArmFailed, remote, started
from evals.gate.comparison import Comparison, compare
from evals.gate.course import SAMPLES, Gate, probed, stored
from evals.gate.dataset import BadDataset, check
from evals.gate.harness import HarnessFailed
from evals.gate.options import BadOptions, parse
from evals.gate.samples import BadSamples
from evals.gate.validity import Arm, reasons, warnings
from evals.gate.verdict import Judged, Verdict, judge
from evals.serving import status_lines
from evals.serving.engines import ENGINES
from evals.serving.leaving import leave_when_told
from evals.serving.servers import PortInUse, ServerFailed, claim_port, free_port

FAILURES = (
    ArmFailed,
    BadDataset,
    BadOptions,
    BadSamples,
    BadStatusFile,
    HarnessFailed,
    PortInUse,
    ServerFailed,
)
FAILURES += (tasks.NoTask, logprobs.ProbeFailed, status_lines.LaunchEnded)
"""What is foreseen: the message says it all. Of anything else the traceback is shown too."""
REPORTS = "report.json", "report.html"
SETTINGS = (
    "engine", "model", "candidate_model", "task", "limit", "max_new_tokens", "no_thinking", "score",
    "max_unanswered", "max_drop", "min_accuracy", "logprob_tolerance", "smoke", "trust_servers",
)  # fmt: skip
"""Options that the report names as they are."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of a verdict; whatever ends a run before it has one is INVALID."""
    leave_when_told()
    console = Console(stderr=True, width=max(Console(stderr=True).width, 120))
    try:
        return _run(parse(arguments), console)
    except Exception as error:
        console.print(f"[red]{escape(_said(error))}", soft_wrap=True)
        return Verdict.INVALID.value


def _run(options: argparse.Namespace, console: Console) -> int:
    gate = Gate(options, console)
    written = [gate.folder / name for name in REPORTS]
    for file in written:
        file.unlink(missing_ok=True)  # of an earlier run, which is not to be taken for this one's
    _prepare(options)
    tasks.write(options, gate.task)
    arms: list[Arm] = []
    try:
        for name in ARMS:
            arms.append(_arm(gate, name))
        judged, comparison, compared = _judged(gate, *arms)
    except Exception as error:
        judged, comparison, compared = Judged(Verdict.INVALID, (_said(error),)), None, []
    pictures = _pictures(gate, comparison)
    result = report.summary(judged, _settings(options), arms, comparison, compared, pictures)
    texts = json.dumps(result, indent=1, default=str) + "\n", html.page(result)
    for file, text in zip(written, texts, strict=True):
        file.write_text(text)
    terminal.show(console, result)
    for file in (*written, *sorted(gate.folder.glob(f"*/{SAMPLES}"))):
        console.print(f"written: {file}", highlight=False, soft_wrap=True)
    return judged.verdict.value


def _said(error: Exception) -> str:
    """Why there is no verdict, in a line; what nobody foresaw has its traceback on stderr."""
    if isinstance(error, FAILURES):
        return str(error)
    traceback.print_exception(error)
    return f"the gate failed by itself: {error!r:.500}; see its traceback on stderr"


def _prepare(options: argparse.Namespace) -> None:
    """What is needed of both arms is there, before a server is started."""
    if options.dataset is not None:
        check(options.dataset, options.task, options.subjects)
    for file in filter(None, (options.baseline_status, options.candidate_status)):
        status_lines.of_running(file)
    if options.engine is not None:
        executable = Path(ENGINES[options.engine].of(options.engine_python).command[0])
        if not executable.exists():
            raise BadOptions(f"no {options.engine} at {executable}: name its --engine-python")
        options.port = claim_port(options.port) if options.port else free_port()


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """What was asked and how it is judged, for the report."""
    return {
        **{name: getattr(options, name) for name in SETTINGS},
        "dataset": None if options.dataset is None else str(options.dataset),
        "subjects": list(options.subjects),
        "lmms_eval": version("lmms_eval"),
        "features": options.features or "those of the engine",
    }


def _arm(gate: Gate, name: str) -> Arm:
    options = gate.options
    if name == BASELINE and options.baseline_samples is not None:
        return stored(name, options.baseline_samples, options.score)
    if options.engine is not None:
        status_file = gate.folder / name / "status.jsonl"
        return gate.run(name, partial(started, options, name, status_file), status_file)
    url, model = getattr(options, f"{name}_url"), options.served_model_name
    there_is = remote(url, model, options.api_key_env)
    return gate.run(name, lambda _: there_is, getattr(options, f"{name}_status"))


def _judged(
    gate: Gate, baseline: Arm, candidate: Arm
) -> tuple[Judged, Comparison | None, list[logprobs.Compared]]:
    options = gate.options
    features = options.features and [word.strip() for word in options.features.split(",")]
    invalid = reasons(
        baseline,
        candidate,
        features=features,
        trust_servers=options.trust_servers,
        min_accuracy=options.min_accuracy,
        limit=options.max_new_tokens,
        most_unanswered=options.max_unanswered,
        is_other_model=options.candidate_model is not None,
    )
    told = warnings(baseline, candidate, features)
    if invalid:
        return judge(None, options.max_drop, invalid, warnings=told), None, []
    with gate.console.status("scoring"):
        comparison = compare(baseline.samples, candidate.samples, options.max_drop)
    compared: list[logprobs.Compared] = []
    if options.logprobs:
        before = probed((options.baseline_samples or gate.folder / BASELINE / SAMPLES).parent)
        after = probed(gate.folder / CANDIDATE)
        if before is None or after is None:
            raise BadOptions("--logprobs: the stored baseline has none (logprobs.jsonl beside it)")
        compared = logprobs.compare(before, after)
    faults = logprobs.faults(compared, options.logprob_tolerance)
    judged = judge(comparison.overall, options.max_drop, (), faults, options.smoke, told)
    return judged, comparison, compared


def _pictures(gate: Gate, comparison: Comparison | None) -> dict[int, Any]:
    """Text and pictures of flipped questions; the report goes without where they cannot be had."""
    flipped = comparison.flipped if comparison else ()
    try:
        return gate.pictures([pair.baseline.position for pair in flipped]) if flipped else {}
    except HarnessFailed as failure:
        gate.console.print(f"[yellow]{escape(str(failure))}")
        return {}
