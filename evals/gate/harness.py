"""Run lmms-eval against one server.

Its exit status says nothing (0.7.3 ends with 0 when requests or the data set fail) and a failed
request is scored as an answer, so the log is watched: the first failed request ends the run.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from evals import PROJECT
from evals.gate.arms import Endpoint
from evals.gate.client import API_KEY, is_remote, key
from evals.gate.tasks import GATE_TASK
from evals.serving.leaving import end

PROGRESS = re.compile(r"Model Responding:[^\r\n]*?(\d+)/(\d+)")
FAILURE = re.compile(r"All \d+ attempts failed\. Last error: ([^\r\n]*)")
COLOURS = re.compile(r"\x1b\[[\d;]*m")
LAST_LINES = 15

Tick = Callable[[int, int], None]
"""Called with what is done, and all."""


class HarnessFailed(RuntimeError):
    """lmms-eval could not be run or gave no samples; the message ends with what it said last."""


def ask(
    options: argparse.Namespace, task: Path, endpoint: Endpoint, folder: Path, tick: Tick
) -> Path:
    """Ask a server every question; the file of samples. Everything is left in ``folder``.

    Args:
        task: folder where the task was written.

    Raises:
        HarnessFailed: the server ended, a request failed, or there are no samples.
    """
    log, output = folder / "lmms-eval.log", folder / "lmms-eval"
    shutil.rmtree(output, ignore_errors=True)
    command = [
        *_command(options, endpoint),
        *("--include_path", str(task), "--output_path", str(output)),
    ]
    _watch(command, log, key(options.api_key_env), endpoint.is_alive, tick)
    samples = sorted(output.glob(f"*/*_samples_{GATE_TASK}.jsonl"))
    if not samples:
        said = re.split(r"[\r\n]+", log.read_text(errors="replace").strip())[-LAST_LINES:]
        raise HarnessFailed(f"lmms-eval gave no samples; the end of {log}:\n" + "\n".join(said))
    return samples[-1]


def _command(options: argparse.Namespace, endpoint: Endpoint) -> list[str]:
    server = {
        "model": endpoint.model,
        "base_url": endpoint.url,
        "num_concurrent": options.concurrency,
        "max_retries": 1,
        "httpx_trust_env": is_remote(endpoint.url),
    }
    if options.no_thinking:
        server["enable_thinking_kwarg"] = False
    limit = [] if options.limit is None else ["--limit", str(options.limit)]
    return [
        *(sys.executable, "-m", "lmms_eval", "--model", "openai"),
        *("--model_args", ",".join(f"{name}={value}" for name, value in server.items())),
        *("--tasks", GATE_TASK, "--log_samples"),
        *("--gen_kwargs", f"temperature=0,max_new_tokens={options.max_new_tokens}"),
        *("--batch_size", "1", "--seed", "0", "--process_docs_parallel", "1", *limit),
    ]


def _watch(
    command: Sequence[str], log: Path, api_key: str, is_alive: Callable[[], bool], tick: Tick
) -> None:
    path = os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])
    environ = {**os.environ, API_KEY: api_key, "PYTHONPATH": path}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environ
        )
        try:
            ended = False
            while not ended:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(1)
                ended = process.returncode is not None
                text = log.read_text(errors="replace")
                if failed := FAILURE.search(text):
                    said = COLOURS.sub("", failed[1])[:300]
                    raise HarnessFailed(f"a request failed: {said}; see {log}")
                if not is_alive():
                    raise HarnessFailed(f"the server ended while it was asked; see {log}")
                if seen := PROGRESS.findall(text):
                    done, total = map(int, seen[-1])
                    tick(done, total)
        finally:
            end(process)
