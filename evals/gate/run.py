"""A run of the gate, from its options to the report."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from engine_ext.features import OFF
from evals.gate import html, logprobs, report, tasks, terminal
from evals.gate.arms import ARMS, BASELINE, CANDIDATE, ArmFailed, Endpoint, Launch, remote
from evals.gate.comparison import Comparison, compare
from evals.gate.course import SAMPLES, Gate, Serve, probed, stored
from evals.gate.dataset import BadDataset, check
from evals.gate.harness import HarnessFailed
from evals.gate.options import BadOptions, parse
from evals.gate.samples import BadSamples
from evals.gate.tasks import NoTask, Questions
from evals.gate.validity import Arm, reasons, warnings
from evals.gate.verdict import Judged, Verdict, judge
from evals.serving.engines import ENGINES
from evals.serving.servers import PortInUse, ServerFailed, claim_port, end_on_sigterm, free_port

FAILURES = (ArmFailed, BadDataset, BadOptions, BadSamples, HarnessFailed, NoTask, PortInUse)
FAILURES += (ServerFailed,)


def main(arguments: Sequence[str] | None = None) -> int:
    end_on_sigterm()
    console = Console(stderr=True, width=max(Console(stderr=True).width, 120))
    try:
        options = parse(arguments)
        gate = _prepared(options, console)
    except FAILURES as failure:
        console.print(f"[red]{escape(str(failure))}", soft_wrap=True)
        return Verdict.INVALID.value
    arms: list[Arm] = []
    try:
        for name in ARMS:
            arms.append(_arm(gate, options, name))
        judged, comparison, compared = _judged(gate, options, *arms)
    except (*FAILURES, logprobs.ProbeFailed) as failure:
        judged, comparison, compared = Judged(Verdict.INVALID, (str(failure),)), None, []
    pictures = _pictures(gate, comparison)
    result = report.summary(judged, _settings(options), arms, comparison, compared, pictures)
    page = gate.folder / "report.html"
    page.write_text(html.page(result))
    terminal.show(console, result)
    kept = sorted(gate.folder.glob(f"*/{SAMPLES}"))
    for file in (report.write(result, gate.folder), page, *kept):
        console.print(f"written: {file}", highlight=False, soft_wrap=True)
    return judged.verdict.value


def _prepared(options: argparse.Namespace, console: Console) -> Gate:
    """What is needed of both arms is there, before a server is started."""
    if options.dataset is not None:
        check(options.dataset, options.task, options.subjects)
    if options.engine is not None:
        executable = Path(ENGINES[options.engine].of(options.engine_python).command[0])
        if not executable.exists():
            raise BadOptions(f"no {options.engine} at {executable}: name its --engine-python")
        options.port = claim_port(options.port) if options.port else free_port()
    questions = Questions(
        task=options.task,
        dataset=options.dataset and options.dataset.resolve(),
        subjects=options.subjects,
        limit=options.limit,
        max_new_tokens=options.max_new_tokens,
        no_thinking=options.no_thinking,
    )
    gate = Gate(
        questions=questions,
        folder=options.out.resolve(),
        concurrency=options.concurrency,
        probes=options.logprobs,
        score=options.score,
        api_key=options.api_key_env,
        console=console,
    )
    tasks.write(questions, gate.task)
    return gate


def _settings(options: argparse.Namespace) -> dict[str, object]:
    """What was asked and how it is judged, for the report."""
    return {
        "task": options.task,
        "dataset": None if options.dataset is None else str(options.dataset),
        "subjects": list(options.subjects),
        "limit": options.limit,
        "max_new_tokens": options.max_new_tokens,
        "no_thinking": options.no_thinking,
        "max_unanswered": options.max_unanswered,
        "lmms_eval": version("lmms_eval"),
        "features": options.features or "those of the engine",
        "max_drop": options.max_drop,
        "min_accuracy": options.min_accuracy,
        "logprob_tolerance": options.logprob_tolerance,
        "smoke": options.smoke,
        "trust_arms": options.trust_arms,
    }


def _arm(gate: Gate, options: argparse.Namespace, name: str) -> Arm:
    if name == BASELINE and options.baseline_samples is not None:
        return stored(name, options.baseline_samples, options.score)
    if options.engine is None:
        serve = _remote(options, name)
        return gate.run(name, serve, getattr(options, f"{name}_status"))
    status_file = gate.folder / name / "status.jsonl"
    return gate.run(name, _started(options, name, status_file), status_file)


def _remote(options: argparse.Namespace, name: str) -> Serve:
    def serve(_: Path) -> AbstractContextManager[Endpoint]:
        url = getattr(options, f"{name}_url")
        return remote(url, options.served_model_name, options.api_key_env)

    return serve


def _started(options: argparse.Namespace, name: str, status_file: Path) -> Serve:
    engine = ENGINES[options.engine].of(options.engine_python)
    model = options.model
    if name == CANDIDATE and options.candidate_model is not None:
        model = options.candidate_model
    launch = Launch(
        engine=engine,
        python=options.engine_python,
        model=model,
        settings=engine.cpu_settings if options.cpu else {},
        arguments=options.engine_arguments,
        port=options.port,
        start_seconds=options.start_timeout,
        environ=engine.cpu_environ if options.cpu else {},
    )
    features = OFF if name == BASELINE else options.features
    return partial(launch.serve, features, status_file)


def _judged(
    gate: Gate, options: argparse.Namespace, baseline: Arm, candidate: Arm
) -> tuple[Judged, Comparison | None, list[logprobs.Compared]]:
    invalid = reasons(
        baseline,
        candidate,
        features=options.features and [word.strip() for word in options.features.split(",")],
        trust_arms=options.trust_arms,
        min_accuracy=options.min_accuracy,
        limit=options.max_new_tokens,
        most_unanswered=options.max_unanswered,
    )
    told = warnings(baseline, candidate)
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
    scores = comparison.overall.scores
    judged = judge(scores, options.max_drop, (), faults, options.smoke, told)
    return judged, comparison, compared


def _pictures(gate: Gate, comparison: Comparison | None) -> dict[str, object]:
    """Text and pictures of flipped questions; the report goes without where they cannot be had."""
    if comparison is None or not comparison.flipped:
        return {}
    try:
        return gate.pictures([pair.baseline.position for pair in comparison.flipped])
    except HarnessFailed as failure:
        gate.console.print(f"[yellow]{escape(str(failure))}")
        return {}
