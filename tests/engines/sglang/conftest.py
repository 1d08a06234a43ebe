"""Tests against the SGLang installed here; `make test-sglang` builds its environment."""

import os
from contextlib import contextmanager
from unittest.mock import patch

import pytest

from engine_ext import features, status
from evals.serving.status_lines import of_models
from tests.engines.limits import NAME, ON, slow

if NAME == "sglang":
    from evals.serving.engines import SGLANG

    os.environ.update(SGLANG.cpu_environ)  # before SGLang is imported: it looks once
else:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture
def models(monkeypatch):
    """The registry's table, restored after the test."""
    from sglang.srt.models.registry import ModelRegistry

    monkeypatch.setattr(ModelRegistry, "models", dict(ModelRegistry.models))
    return ModelRegistry.models


@pytest.fixture(scope="session")
def extended():
    """``with extended(): ...``: the overrides stand in SGLang's registry meanwhile.

    Features are those of `limits.ON` unless named.
    """
    from sglang.srt.models.registry import ModelRegistry

    from engine_ext.sglang.architectures import ARCHITECTURES
    from engine_ext.sglang.overrides import register_overrides
    from evals import checkpoints
    from evals.serving.sglang_loader import load

    load(str(checkpoints.path("qwen2_vl")))  # starts the parallel state, by a model of its own

    @contextmanager
    def use(named=ON[features.VARIABLE]):
        stock = dict(ModelRegistry.models)
        try:
            with patch.dict(os.environ, {features.VARIABLE: named}):
                register_overrides(ModelRegistry, ARCHITECTURES)
                yield
        finally:
            ModelRegistry.models.clear()
            ModelRegistry.models.update(stock)

    return use


@pytest.fixture
def status_lines(tmp_path, monkeypatch):
    path = tmp_path / "status.jsonl"
    monkeypatch.setenv(status.VARIABLE, str(path))
    return lambda: of_models(path)


@pytest.fixture(scope="session", params=["glm4v", pytest.param("qwen2_5_vl", marks=slow)])
def updated(request, tmp_path_factory, say):
    """An engine whose weights have been updated by every path, beside stock.

    The projections of one family have a bias, those of the other none.
    """
    from tests.engines.sglang.offline import Compared
    from tests.engines.sglang.updated import SETTINGS, steps

    folder = tmp_path_factory.mktemp(request.param)
    return Compared(request.param, steps(request.param, folder), folder, say, SETTINGS)
