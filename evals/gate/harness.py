"""Run lmms-eval against one server.

Its exit status says nothing (0.7.3 ends with 0 when requests or the data set fail) and a failed
request is scored as an answer, so the log is watched: the first failed request ends the run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from evals import PROJECT
from evals.gate.arms import Endpoint
from evals.gate.client import API_KEY, is_remote, key
from evals.gate.tasks import GATE_TASK, Questions

PROGRESS = re.compile(r"Model Responding:[^\r\n]*?(\d+)/(\d+)")
FAILURE = re.compile(r"All \d+ attempts failed\. Last error: ([^\r\n]*)")
LAST_LINES = 15
STOP_SECONDS = 10


class HarnessFailed(RuntimeError):
    """lmms-eval could not be run or gave no samples; the message ends with what it said last."""


def ask(
    questions: Questions,
    task: Path,
    endpoint: Endpoint,
    folder: Path,
    concurrency: int,
    api_key: str,
    progress: Callable[[int, int], None],
) -> Path:
    """Ask a server every question; the file of samples. Everything is left in ``folder``.

    Args:
        task: folder where the task was written.
        api_key: the environment variable that holds the server's key.
        progress: called with the questions answered, and all.

    Raises:
        HarnessFailed: the server ended, a request failed, or there are no samples.
    """
    log, output = folder / "lmms-eval.log", folder / "lmms-eval"
    shutil.rmtree(output, ignore_errors=True)
    command = [
        *_command(questions, endpoint, concurrency),
        *("--include_path", str(task), "--output_path", str(output)),
    ]
    _watch(command, log, progress, endpoint.is_alive, key(api_key))
    samples = sorted(output.glob(f"*/*_samples_{GATE_TASK}.jsonl"))
    if not samples:
        raise HarnessFailed(f"lmms-eval gave no samples; the end of {log}:\n{_tail(log)}")
    return samples[-1]


def _command(questions: Questions, endpoint: Endpoint, concurrency: int) -> list[str]:
    server = {
        "model": endpoint.model,
        "base_url": endpoint.url,
        "num_concurrent": concurrency,
        "max_retries": 1,
        "httpx_trust_env": is_remote(endpoint.url),
    }
    if questions.no_thinking:
        server["enable_thinking_kwarg"] = False
    limit = [] if questions.limit is None else ["--limit", str(questions.limit)]
    return [
        *(sys.executable, "-m", "lmms_eval", "--model", "openai"),
        *("--model_args", ",".join(f"{name}={value}" for name, value in server.items())),
        *("--tasks", GATE_TASK, "--log_samples"),
        *("--gen_kwargs", f"temperature=0,max_new_tokens={questions.max_new_tokens}"),
        *("--batch_size", "1", "--seed", "0", "--process_docs_parallel", "1", *limit),
    ]


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
