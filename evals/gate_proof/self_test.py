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
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
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

DTYPES = ("bfloat16", "float32")
COLUMNS = {"image": "still_nats", "video": "clip_nats"}
"""Of the record, for each kind of probe: the names under which it was begun."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("families", nargs="*", metavar="FAMILY", help="default all")
    parser.add_argument("--engine", choices=ENGINES, default="vllm")
    parser.add_argument("--engine-python", type=Path, help="default that of .envs")
    parser.add_argument("--faults", nargs="*", choices=FAULTS, default=FAULTS, help="default all")
    parser.add_argument("--probes", type=int, default=60, help="images, and as many videos")
    add = parser.add_argument
    add("--features", default=",".join(DEFAULT), help="of candidates (default %(default)s)")
    add("--out", type=Path, metavar="FOLDER", help="keep the reports and replies here")
    add("--dtype", choices=DTYPES, default=DTYPES[0], help="of both servers (default %(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    python = options.engine_python or ENVIRONMENTS / options.engine / "bin" / "python"
    console = Console()
    wrong = []
    for family in options.families or checkpoints.FAMILIES:
        with kept_or_temporary(options.out) as folder:
            run = Run(options, python, family, folder / family)
            for fault, result in run.results(options.faults):
                row = summarised(options, family, fault, result)
                file = record(options.results, row)
                console.print(f"{family}, {fault}: {row['verdict']} {row['reasons'][:150]}")
                if not as_it_must_be(row):
                    wrong.append(f"{family}, {fault}")
    console.print(f"written: {file}")
    for one in wrong:
        console.print(f"[red]not as it must be: {one}")
    return 1 if wrong else 0


@contextmanager
def kept_or_temporary(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="engine_ext-self-test-") as name:
        yield Path(name)


class Run:
    """One family on one engine: the baseline, and candidates against it."""

    def __init__(
        self, options: argparse.Namespace, python: Path, family: str, folder: Path
    ) -> None:
        self.options, self.python, self.family, self.folder = options, python, family, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.questions = folder / "questions.parquet"
        dataset(family).to_parquet(self.questions)

    def results(self, faults: Collection[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Each of the faults the family can have, and the report of the gate; none comes first."""
        yield NO_FAULT, self._gate(NO_FAULT, [])
        baseline = self.folder / NO_FAULT / "baseline" / "samples.jsonl"
        for fault, copy in faulty_copies(self.family, self.folder, faults):
            given = ["--baseline-samples", str(baseline), "--candidate-model", str(copy)]
            yield fault, self._gate(fault, given)
            shutil.rmtree(copy)

    def _gate(self, name: str, given: list[str]) -> Mapping[str, Any]:
        out = self.folder / name.replace(" ", "-")
        command = [
            *(sys.executable, "-m", "evals.gate", "--cpu"),
            *("--engine", self.options.engine, "--features", self.options.features),
            *("--engine-python", str(self.python), "--model", str(checkpoints.path(self.family))),
            *("--dataset", str(self.questions), "--max-new-tokens", "8", "--out", str(out)),
            *("--logprobs", str(self.options.probes), *given, "--", "--dtype", self.options.dtype),
        ]
        subprocess.run(command, check=False)
        found: dict[str, Any] = json.loads((out / "report.json").read_text())
        return found


def summarised(
    options: argparse.Namespace, family: str, fault: str, result: Mapping[str, Any]
) -> dict[str, Any]:
    """The line of the record."""
    overall = result["overall"] or {}
    candidate = result["arms"].get("candidate", {}).get("environment", {})
    kinds = {one["kind"]: one for one in result["logprobs"]}
    row = {
        "date": date.today().isoformat(),
        "engine": options.engine,
        "version": str(candidate.get(options.engine)).partition("+")[0],
        "family": family,
        "fault": fault,
        "features": options.features,
        "dtype": options.dtype,
        "verdict": result["verdict"],
        "questions": overall.get("count"),
        "baseline": overall.get("baseline"),
        "candidate": overall.get("candidate"),
        "lost": overall.get("lost"),
        "won": overall.get("won"),
        "identical": overall.get("identical"),
    }
    for kind, column in COLUMNS.items():
        row[column] = kinds.get(kind, {}).get("mean")
        row[f"{column}_most"] = kinds.get(kind, {}).get("largest")
    return {**row, "reasons": "; ".join(result["reasons"])}


if __name__ == "__main__":
    sys.exit(main())
