"""A process that runs vLLM engines one after the other, as tests ask for them.

Starting a process costs more than an engine in it. vLLM remembers the class of an architecture for
the life of a process, so the extension on and off need one each.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from engine_ext import features
from evals.serving import status_lines
from evals.serving.engines import VLLM

PROJECT = Path(__file__).parents[3]
SECONDS = 1200
"""One engine may take: compiled ones minutes."""
MOST = 4 * 2**30
"""Bytes of memory with which a process is given another engine: vLLM 0.11 keeps the cache of keys
and values of each that it had."""


class Engines:
    """Call it with a run (offline.py) for what the engine did, its status lines and its log.

    The process starts with the first run; one that ended is started again.

    Args:
        environ: variables on top of this process's, among which ``ENGINE_EXT`` is not.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str], say: Callable[[str], None]):
        inherited = {n: value for n, value in os.environ.items() if n != features.VARIABLE}
        always = {"VLLM_LOGGING_STREAM": "ext://sys.stderr"}
        self._environ = {**inherited, **VLLM.cpu_environ, **always, **environ}
        self._given, self._folder, self._say = environ, folder, say
        self._process: subprocess.Popen[str] | None = None
        self._count = 0

    def __call__(self, run: Mapping[str, Any]) -> dict[str, Any]:
        self._count += 1
        lines, log = self._folder / f"{self._count}.jsonl", self._folder / "log"
        log.touch()
        begin = log.stat().st_size
        process = self._running(log)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({**run, "status": str(lines)}) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], SECONDS)
        answer = process.stdout.readline() if ready else ""
        with log.open() as text:
            text.seek(begin)
            said = text.read()
        if not answer:
            process.kill()
            raise AssertionError(f"the process ended, or took {SECONDS} s: {run}\n{said[-4000:]}")
        if psutil.Process(process.pid).memory_info().rss > MOST:
            self.close()
        return {**json.loads(answer), "status": status_lines.of_models(lines), "log": said}

    def _running(self, log: Path) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._say(f"a process for vLLM engines, {dict(self._given) or 'by default'} (15 s)")
            with log.open("a") as errors:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "tests.engines.vllm.offline"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    cwd=PROJECT,
                    env=self._environ,
                )
        return self._process

    def close(self) -> None:
        """Let the process end: there are no more runs."""
        if self._process is None:
            return
        try:
            self._process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
