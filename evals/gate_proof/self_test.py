"""Self-test of the gate: candidates from copies of a checkpoint with a wrong patch embedding.

    python -m evals.gate_proof.self_test --engine vllm [FAMILY...] [--faults ...]

Each family is asked once without the extension, then once with it, then with it over each faulty
copy. What came of each is a line of `evals/gate_proof/results/ENGINE-VERSION.csv`. The environment
of lmms-eval runs it, `--engine-python` is the engine's.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console

from engine_ext.features import DEFAULT
from evals import ENVIRONMENTS, checkpoints
from evals.checkpoints.mmmu import dataset
from evals.gate_proof.faults import FAULTS, NO_FAULT, faulty_copies
from evals.gate_proof.record import RESULTS, as_it_must_be, record
from evals.serving.engines import ENGINES
from evals.serving.leaving import leave_when_told

PROBES = 60  # images, and as many videos
COLUMNS = {"image": "still_nats", "video": "clip_nats"}
"""Of the record, for each kind of probe: the names under which it was begun."""


def main() -> int:
    options = _options()
    leave_when_told()
    console, wrong = Console(), []
    with tempfile.TemporaryDirectory(prefix="engine_ext-self-test-") as temporary:
        for family in options.families or checkpoints.FAMILIES:
            folder = (options.out or Path(temporary)).resolve() / family
            for fault, result in _results(options, family, folder):
                row = _row(options, family, fault, result)
                file = record(RESULTS, row)
                console.print(f"{family}, {fault}: {row['verdict']} {row['reasons'][:150]}")
                if not as_it_must_be(row):
                    wrong.append(f"{family}, {fault}")
    console.print(f"written: {file}")
    for one in wrong:
        console.print(f"[red]not as it must be: {one}")
    return 1 if wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("families", nargs="*", metavar="FAMILY", help="default all")
    add("--engine", choices=ENGINES, default="vllm")
    add("--engine-python", type=Path, help="default that of .envs")
    add("--faults", nargs="*", choices=FAULTS, default=FAULTS, help="default all")
    add("--features", default=",".join(DEFAULT), help="of candidates (default %(default)s)")
    add("--dtype", choices=("bfloat16", "float32"), default="bfloat16", help="of both servers")
    add("--out", type=Path, metavar="FOLDER", help="keep the reports and replies here")
    options = parser.parse_args()
    options.engine_python = (
        options.engine_python or ENVIRONMENTS / options.engine / "bin" / "python"
    )
    return options


def _results(
    options: argparse.Namespace, family: str, folder: Path
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each of the faults the family can have, and the report of the gate; none comes first."""
    folder.mkdir(parents=True, exist_ok=True)
    questions = folder / "questions.parquet"
    dataset(family).to_parquet(questions)

    def gate(fault: str, *given: str) -> Mapping[str, Any]:
        out = folder / fault.replace(" ", "-")
        command = [
            *(sys.executable, "-m", "evals.gate", "--cpu"),
            *("--engine", options.engine, "--engine-python", str(options.engine_python)),
            *("--features", options.features, "--model", str(checkpoints.path(family))),
            *("--dataset", str(questions), "--max-new-tokens", "8", "--out", str(out)),
            *("--logprobs", str(PROBES), *given, "--", "--dtype", options.dtype),
        ]
        with subprocess.Popen(command) as process:
            try:
                process.wait()
            except BaseException:
                process.terminate()  # it stops its servers then; a kill would leave them
                raise
        report: dict[str, Any] = json.loads((out / "report.json").read_text())
        return report

    yield NO_FAULT, gate(NO_FAULT)
    baseline = str(folder / NO_FAULT / "baseline" / "samples.jsonl")
    for fault, copy in faulty_copies(family, folder, options.faults):
        yield fault, gate(fault, "--baseline-samples", baseline, "--candidate-model", str(copy))
        shutil.rmtree(copy)


def _row(
    options: argparse.Namespace, family: str, fault: str, result: Mapping[str, Any]
) -> dict[str, Any]:
    """The line of the record."""
    overall = result["overall"] or {}
    environment = result["servers"].get("candidate", {}).get("environment", {})
    row = {
        "date": date.today().isoformat(),
        "engine": options.engine,
        "version": str(environment.get(options.engine)).partition("+")[0],
        "family": family,
        "fault": fault,
        "features": options.features,
        "dtype": options.dtype,
        "verdict": result["verdict"],
        "questions": overall.get("count"),
    }
    figures = ("baseline", "candidate", "lost", "won", "identical")
    row |= {name: overall.get(name) for name in figures}
    kinds = {one["kind"]: one for one in result["logprobs"]}
    for kind, column in COLUMNS.items():
        row[column] = kinds.get(kind, {}).get("mean")
        row[f"{column}_most"] = kinds.get(kind, {}).get("largest")
    return {**row, "reasons": "; ".join(result["reasons"])}


if __name__ == "__main__":
    sys.exit(main())
