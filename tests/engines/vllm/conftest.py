"""Tests against the vLLM installed here; `make test-vllm` builds the environment and runs them."""

from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from tests.engines.limits import OFF, ON

if find_spec("vllm") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def engines(tmp_path_factory, say):
    """``engines(NAME=value)``: what runs vLLM engines in one process with these variables."""
    from tests.engines.vllm.process import Engines

    started = []

    def start(**environ):
        started.append(Engines(tmp_path_factory.mktemp("engines"), environ, say))
        return started[-1]

    yield start
    for process in started:
        process.close()


@pytest.fixture(scope="session")
def arms(engines, tmp_path_factory):
    """What engines do by the names of runs.py: with features named, with all of them, and stock."""
    from tests.engines.vllm import runs

    files = runs.Checkpoints(tmp_path_factory.mktemp("checkpoints"))
    of_stock = {**runs.runs_of_both(files, "stock"), **runs.runs_of_stock(files)}
    of_ours = {**runs.runs_of_both(files, "extension"), **runs.runs_of_the_extension(files)}
    return SimpleNamespace(
        stock=runs.Arm(engines(**OFF), of_stock),
        extension=runs.Arm(engines(**ON), of_ours),
        pixels=runs.Arm(engines(ENGINE_EXT="linear,mrope,pixels"), runs.runs_for_text()),
        shards=files.shards,
    )
