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

    A variable that is None is not set. Returns their results and the lines of the status file.
    """

    from evals.engines import VLLM

    def run(runs, **environ):
        say(f"{len(runs)} engines, one after the other in one process, {environ} (10 s each)")
        folder = tmp_path_factory.mktemp("offline")
        status_file = folder / "status.jsonl"
        variables = {
            **os.environ,
            **VLLM.cpu_environ,
            status.VARIABLE: str(status_file),
            "VLLM_LOGGING_STREAM": "ext://sys.stderr",
            **environ,
        }
        with (folder / "log").open("w") as log:
            done = subprocess.run(
                [sys.executable, "-m", "tests.engines.vllm.offline"],
                input=json.dumps(runs),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=PROJECT,
                env={name: value for name, value in variables.items() if value is not None},
                timeout=1200,
            )
        text = (folder / "log").read_text()
        assert done.returncode == 0, text[-4000:]
        return json.loads(done.stdout.splitlines()[-1]), status.read(status_file), text

    return run


@pytest.fixture(scope="session")
def arms(offline, tmp_path_factory):
    """What one process with the extension and one without did (arms.py)."""
    from types import SimpleNamespace

    from tests.engines.limits import ON
    from tests.engines.vllm import arms
    from tests.engines.vllm.actions import reload_names_a_checkpoint

    files = arms.Checkpoints(tmp_path_factory.mktemp("checkpoints"))
    stock = {**arms.runs_of_both(files, "stock"), **arms.runs_of_stock(files)}
    extension = {**arms.runs_of_both(files, "extension"), **arms.runs_of_the_extension(files)}
    of_family = {"family": arms.FAMILY}
    by_stock, lines, log = offline([r | of_family for r in stock.values()], ENGINE_EXT="off")
    assert lines == []
    by_extension, _, _ = offline([r | of_family for r in extension.values()], **ON)
    return SimpleNamespace(
        stock=dict(zip(stock, by_stock, strict=True)),
        extension=dict(zip(extension, by_extension, strict=True)),
        shards={key: Path(path) for key, path in files.shards.items()},
        reloads=reload_names_a_checkpoint(),
        log_of_stock=log,
    )
