"""``python -m evals.mmmu_gate``: PASS (exit status 0), FAIL (1) or INVALID (2)."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engine_ext.features import OFF
from evals.engines import ENGINES
from evals.mmmu_gate import html, logprobs, markdown, report
from evals.mmmu_gate.arms import ARMS, BASELINE, CANDIDATE, ArmFailed, Endpoint, Launch, remote
from evals.mmmu_gate.comparison import Comparison, compare
from evals.mmmu_gate.course import SAMPLES, Gate, Serve, probed, stored
from evals.mmmu_gate.dataset import BadDataset, check
from evals.mmmu_gate.harness import Harness, HarnessFailed, Questions, find_task
from evals.mmmu_gate.options import BadOptions, parse
from evals.mmmu_gate.samples import BadSamples
from evals.mmmu_gate.validity import Arm, reasons, warnings
from evals.mmmu_gate.verdict import Judged, Verdict, judge
from evals.servers import PortInUse, ServerFailed, claim_port, end_on_sigterm, free_port

FAILURES = (ArmFailed, BadDataset, BadOptions, BadSamples, HarnessFailed, PortInUse, ServerFailed)
UNUSABLE = Verdict.INVALID.value


def main(arguments: Sequence[str] | None = None) -> int:
    end_on_sigterm()
    console = Console(stderr=True, width=max(Console(stderr=True).width, 120))
    try:
        options = parse(arguments)
        gate, settings = _prepared(options, console)
    except FAILURES as failure:
        console.print(f"[red]{escape(str(failure))}", soft_wrap=True)
        return UNUSABLE
    arms: list[Arm] = []
    try:
        for name in ARMS:
            arms.append(_arm(gate, options, name))
        judged, comparison, compared = _judged(gate, options, *arms)
    except (*FAILURES, logprobs.ProbeFailed) as failure:
        judged, comparison, compared = Judged(Verdict.INVALID, (str(failure),)), None, []
    pictures = _pictures(gate, comparison)
    result = report.summary(judged, settings, arms, comparison, compared, pictures)
    written = [report.write(result, gate.folder)]
    for name, text in (("report.md", markdown.report(result)), ("report.html", html.page(result))):
        (gate.folder / name).write_text(text)
        written.append(gate.folder / name)
    _show(console, result)
    for file in written:
        console.print(f"written: {file}", highlight=False, soft_wrap=True)
    for kept in sorted(gate.folder.glob(f"*/{SAMPLES}")):
        console.print(f"replies: {kept}", highlight=False, soft_wrap=True)
    if options.json:
        print(json.dumps(result, indent=1, default=str))
    return judged.verdict.value


def _prepared(options: argparse.Namespace, console: Console) -> tuple[Gate, dict[str, object]]:
    """What is needed of both arms is there, before a server is started."""
    harness = Harness(options.lmms_eval_python, options.api_key_env)
    told = harness.about
    find_task(options.task, Path(told["tasks"]))
    if options.dataset is not None:
        check(options.dataset, options.task, options.subjects)
    if options.engine is not None:
        executable = Path(ENGINES[options.engine].of(options.engine_python).command[0])
        if not executable.exists():
            raise BadOptions(f"no {options.engine} at {executable}: name its --engine-python")
        options.port = claim_port(options.port) if options.port else free_port()
    options.out.mkdir(parents=True, exist_ok=True)
    questions = Questions(
        task=options.task,
        dataset=options.dataset and options.dataset.resolve(),
        subjects=options.subjects,
        limit=options.limit,
        max_new_tokens=options.max_new_tokens,
        no_thinking=options.no_thinking,
    )
    gate = Gate(
        harness=harness,
        questions=questions,
        folder=options.out.resolve(),
        concurrency=options.concurrency,
        probes=options.logprobs,
        score=options.score,
        console=console,
    )
    settings = {
        "task": options.task,
        "dataset": None if options.dataset is None else str(options.dataset),
        "subjects": list(options.subjects),
        "limit": options.limit,
        "max_new_tokens": options.max_new_tokens,
        "no_thinking": options.no_thinking,
        "max_unanswered": options.max_unanswered,
        "lmms_eval": told["version"],
        "features": options.features or "those of the engine",
        "max_drop": options.max_drop,
        "min_accuracy": options.min_accuracy,
        "logprob_tolerance": options.logprob_tolerance,
        "smoke": options.smoke,
        "trust_arms": options.trust_arms,
    }
    return gate, settings


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
    folder = gate.folder / CANDIDATE
    positions = [str(pair.baseline.position) for pair in comparison.flipped]
    with gate.console.status("fetching the pictures of flipped questions"):
        try:
            gate.export(folder, "pictures", *positions)
        except HarnessFailed as failure:
            gate.console.print(f"[yellow]{escape(str(failure))}")
            return {}
    found: dict[str, object] = json.loads((folder / "pictures.json").read_text())
    return found


def _show(console: Console, result: dict) -> None:
    if result["overall"]:
        drawn = Table(*markdown.COLUMNS)
        for row in (*result["subjects"], result["overall"]):
            drawn.add_row(*markdown.cells(row))
        console.print(drawn)
        console.print(markdown.conclusion(result), highlight=False)
    for one in result["logprobs"]:
        cells = zip(markdown.LOGPROB_COLUMNS, markdown.logprob_cells(one), strict=True)
        console.print(", ".join(f"{name} {cell}" for name, cell in cells), highlight=False)
    for line in markdown.lines(result):
        console.print(escape(line), highlight=False, soft_wrap=True)
    color = {"PASS": "green", "FAIL": "red", "INVALID": "yellow"}[result["verdict"]]
    console.print(f"[bold {color}]{result['verdict']}")


if __name__ == "__main__":
    sys.exit(main())
