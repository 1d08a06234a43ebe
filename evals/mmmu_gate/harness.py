"""Run lmms-eval, in its own environment, against one server.

Its exit status says nothing (0.7.3 ends with 0 when requests or the data set fail) and a failed
request is scored as an answer, so the log is watched: the first failed request ends the run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from evals.mmmu_gate.client import API_KEY, is_remote, key
from evals.mmmu_gate.dataset import parquet_files
from evals.project import PROJECT

TASK = Path(__file__).parent / "task" / "gate_task.py"
GATE_TASK = "engine_ext_gate"
PROGRESS = re.compile(r"Model Responding:[^\r\n]*?(\d+)/(\d+)")
FAILURE = re.compile(r"All \d+ attempts failed\. Last error: ([^\r\n]*)")
LAST_LINES = 15
STOP_SECONDS = 10


class HarnessFailed(RuntimeError):
    """lmms-eval could not be run or gave no samples; the message ends with what it said last."""


@dataclass(frozen=True)
class Questions:
    """What is asked: a task of lmms-eval, and what of it.

    Args:
        task: name of the packaged task.
        dataset: Parquet file or folder in place of the packaged data set, or None.
        subjects: only these; all where empty. For MMMU-like data sets.
        limit: only so many, from the first.
        max_new_tokens: of each reply.
        no_thinking: say to the chat template that the model is not to think.
    """

    task: str = "mmmu_val"
    dataset: Path | None = None
    subjects: tuple[str, ...] = ()
    limit: int | None = None
    max_new_tokens: int = 128
    no_thinking: bool = False


@dataclass(frozen=True)
class Harness:
    """lmms-eval in the environment of ``python``; the key of servers is in a variable."""

    python: Path
    api_key: str = API_KEY

    @cached_property
    def about(self) -> dict[str, str]:
        """Its version and where its tasks are.

        Raises:
            HarnessFailed: there is no lmms-eval.
        """
        code = (
            "import importlib.metadata as m, importlib.util as u, json;"
            "print(json.dumps({'version': m.version('lmms_eval'),"
            " 'tasks': u.find_spec('lmms_eval').submodule_search_locations[0] + '/tasks'}))"
        )
        try:
            ran = subprocess.run(
                [str(self.python), "-c", code], capture_output=True, text=True, check=False
            )
        except OSError as error:
            raise HarnessFailed(f"no Python at {self.python}: {error.strerror}") from error
        if ran.returncode:
            raise HarnessFailed(
                f"no lmms-eval in {self.python}: {ran.stderr.strip().splitlines()[-1]}"
                "; python3.11 environments/build.py lmms-eval makes an environment that has it"
            )
        found: dict[str, str] = json.loads(ran.stdout.splitlines()[-1])
        return found

    def ask(
        self,
        questions: Questions,
        url: str,
        model: str,
        folder: Path,
        concurrency: int,
        progress: Callable[[int, int], None],
        alive: Callable[[], bool],
    ) -> Path:
        """Ask a server every question; the file of samples. Everything is left in ``folder``.

        Args:
            url: of the OpenAI API, with ``/v1``.
            progress: called with the questions answered, and all.
            alive: says whether the server still runs.

        Raises:
            HarnessFailed: the server ended, a request failed, or there are no samples.
        """
        folder.mkdir(parents=True, exist_ok=True)
        write_task(questions, Path(self.about["tasks"]), folder)
        log, output = folder / "lmms-eval.log", folder / "lmms-eval"
        shutil.rmtree(output, ignore_errors=True)
        command = self._command(questions, url, model, folder, output, concurrency)
        (folder / "command.txt").write_text(" ".join(command) + "\n")
        _watch(command, log, progress, alive, key(self.api_key))
        samples = sorted(output.glob(f"*/*_samples_{GATE_TASK}.jsonl"))
        if not samples:
            raise HarnessFailed(f"lmms-eval gave no samples; the end of {log}:\n{_tail(log)}")
        return samples[-1]

    def _command(
        self,
        questions: Questions,
        url: str,
        model: str,
        folder: Path,
        output: Path,
        concurrency: int,
    ) -> list[str]:
        server = {
            "model": model,
            "base_url": url,
            "num_concurrent": concurrency,
            "max_retries": 1,
            "httpx_trust_env": is_remote(url),
        }
        if questions.no_thinking:
            server["enable_thinking_kwarg"] = False
        limit = [] if questions.limit is None else ["--limit", str(questions.limit)]
        return [
            *(str(self.python), "-m", "lmms_eval", "--model", "openai"),
            *("--model_args", ",".join(f"{name}={value}" for name, value in server.items())),
            *("--tasks", GATE_TASK, "--include_path", str(folder)),
            *("--gen_kwargs", f"temperature=0,max_new_tokens={questions.max_new_tokens}"),
            *("--batch_size", "1", "--seed", "0", "--process_docs_parallel", "1"),
            *("--log_samples", "--output_path", str(output), *limit),
        ]


def write_task(questions: Questions, tasks: Path, folder: Path) -> Path:
    """The task with what the gate adds, as lmms-eval reads it.

    Raises:
        HarnessFailed: there is no such task.
    """
    packaged = find_task(questions.task, tasks)
    added: dict[str, object] = {
        "include": str(packaged),
        "task": GATE_TASK,
        "tag": [],
        "process_results_use_image": True,
    }
    # YAML with tags of lmms-eval's own: JSON is YAML, and the tagged lines follow.
    lines = [f"{name}: {json.dumps(value)}" for name, value in added.items()]
    text = packaged.read_text()
    if questions.dataset is not None:
        split = _split(packaged)
        files = {split: [str(file) for file in parquet_files(questions.dataset)]}
        lines += ["dataset_path: parquet", "dataset_name: null"]
        lines.append(f"dataset_kwargs: {json.dumps({'data_files': files})}")
    lines.append("process_docs: !function gate_task.process_docs")
    if "process_results:" in text:
        lines.append("process_results: !function gate_task.process_results")
    (folder / f"{GATE_TASK}.yaml").write_text("\n".join(lines) + "\n")
    shutil.copy(TASK, folder / TASK.name)
    settings = {"packaged": str(packaged), "subjects": list(questions.subjects)}
    (folder / "gate.json").write_text(json.dumps(settings) + "\n")
    return folder / f"{GATE_TASK}.yaml"


def find_task(task: str, tasks: Path) -> Path:
    """The YAML of a packaged task.

    Raises:
        HarnessFailed: there is no such task.
    """
    named = re.compile(rf"^task:\s*[\"']?{re.escape(task)}[\"']?\s*$", re.MULTILINE)
    for file in sorted(tasks.rglob("*.yaml")):
        if named.search(file.read_text(errors="replace")):
            return file
    raise HarnessFailed(f"lmms-eval has no task {task!r}: lmms-eval tasks lists them")


def _split(packaged: Path) -> str:
    """The split that is asked, of the task or of what it includes."""
    text = packaged.read_text()
    for name in ("test_split", "validation_split"):
        if found := re.search(rf"^{name}:\s*(\S+)", text, re.MULTILINE):
            return found[1].strip("\"'")
    if included := re.search(r"^include:\s*(\S+)", text, re.MULTILINE):
        return _split(packaged.parent / included[1])
    raise HarnessFailed(f"{packaged} names no split")


def _watch(
    command: Sequence[str],
    log: Path,
    progress: Callable[[int, int], None],
    alive: Callable[[], bool],
    api_key: str,
) -> None:
    environ = {
        **os.environ,
        API_KEY: api_key,
        "PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")]),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environ
        )
        try:
            while True:
                try:
                    process.wait(1)
                    ended = True
                except subprocess.TimeoutExpired:
                    ended = False
                text = log.read_text(errors="replace")
                if failed := FAILURE.search(text):
                    raise HarnessFailed(f"a request failed: {failed[1][:300]}; see {log}")
                if not alive():
                    raise HarnessFailed(f"the server ended while it was asked; see {log}")
                if seen := PROGRESS.findall(text):
                    done, total = map(int, seen[-1])
                    progress(done, total)
                if ended:
                    return
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _tail(log: Path) -> str:
    lines = re.split(r"[\r\n]+", log.read_text(errors="replace").strip())
    return "\n".join(lines[-LAST_LINES:])
