"""Tests against the vLLM installed here; `make test-vllm` builds the environment and runs them."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from engine_ext import status

PROJECT = Path(__file__).parents[3]

if find_spec("vllm") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def offline(tmp_path_factory, say):
    """Run engines in one fresh process: ``offline(runs, ENGINE_EXT=...)``.

    Returns their results and the lines of the status file.
    """

    from evals.engines import VLLM

    def run(runs, **environ):
        say(f"{len(runs)} engines, one after the other in one process, {environ} (10 s each)")
        folder = tmp_path_factory.mktemp("offline")
        status_file = folder / "status.jsonl"
        with (folder / "log").open("w") as log:
            done = subprocess.run(
                [sys.executable, "-m", "tests.engines.vllm.offline"],
                input=json.dumps(runs),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=PROJECT,
                env={
                    **os.environ,
                    **VLLM.cpu_environ,
                    status.VARIABLE: str(status_file),
                    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
                    **environ,
                },
                timeout=1200,
            )
        text = (folder / "log").read_text()
        assert done.returncode == 0, text[-4000:]
        return json.loads(done.stdout.splitlines()[-1]), status.read(status_file), text

    return run
