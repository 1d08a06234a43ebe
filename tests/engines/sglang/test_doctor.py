"""`engine-ext doctor` beside SGLang: active, or why not."""

import json
import os
import subprocess
import sys

import pytest
from sglang.srt.models.registry import import_model_classes

from engine_ext.doctor.examine import examine
from engine_ext.sglang.architectures import ARCHITECTURES, LEFT_STOCK
from engine_ext.sglang.interventions import INTERVENTIONS
from evals.serving.engines import SGLANG
from tests.engines.limits import IS_OLD_SGLANG, ON, slow
from tests.samples import lines_of, sample

BREAKS_AN_IMPORT = """
import sys

class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "engine_ext.sglang.overrides":
            raise ImportError("broken on purpose")

sys.meta_path.insert(0, Broken())
"""


HOOKED = {row.target for row in INTERVENTIONS if row.hooked}
"""What the features of `ON` hook."""


def doctor(**environ):
    """What it reports: it loads SGLang in a process of its own, with these variables."""
    return examine({**os.environ, **SGLANG.cpu_environ, **environ})


def run(*options, **environ):
    return subprocess.run(
        [sys.executable, "-m", "engine_ext", "doctor", *options],
        capture_output=True,
        text=True,
        env={**os.environ, **SGLANG.cpu_environ, **environ},
    )


@pytest.mark.skipif(IS_OLD_SGLANG, reason="the documents show newer engines")
def test_the_documents_show_what_it_prints():
    shown = sample("README.md", "doctor")
    assert shown
    assert set(lines_of(run().stdout)).issuperset(shown)


def test_says_that_the_extension_is_active():
    done = run("--json", **ON)
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert report["problems"] == {}
    assert report["active"] is True
    engine = report["engines"]["sglang"]
    stock = import_model_classes("sglang.srt.models")
    assert set(engine["overrides"]) == ARCHITECTURES & stock.keys()
    assert engine["left_stock"] == {n: LEFT_STOCK[n] for n in LEFT_STOCK.keys() & stock.keys()}
    assert "--mm-process-config" in engine["options"]["process"]
    assert engine["stock"]
    hooked = {row["target"] for row in engine["interventions"] if row["has_hook"]}
    assert hooked == (set() if IS_OLD_SGLANG else HOOKED)


@slow
def test_says_that_the_extension_is_off():
    report = doctor(**{**ON, "ENGINE_EXT": "off"})
    assert report["active"] is False
    assert report["problems"] == {}
    assert report["engines"]["sglang"]["overrides"] == []


@slow
@pytest.mark.skipif(IS_OLD_SGLANG, reason="loads no plugins")
def test_says_that_sglang_plugins_keeps_us_out():
    report = doctor(SGLANG_PLUGINS="another_plugin")
    assert report["engines"]["sglang"]["overrides"] == []
    assert any("SGLANG_PLUGINS='another_plugin'" in text for text in report["problems"])


@pytest.mark.skipif(not IS_OLD_SGLANG, reason="loads plugins")
@pytest.mark.parametrize("other", ["", "another.package"])
def test_says_which_variable_an_older_sglang_needs(other):
    variable = {"SGLANG_EXTERNAL_MODEL_PACKAGE": other} if other else {}
    report = doctor(**variable)
    (problem, *_) = report["problems"]
    assert "set SGLANG_EXTERNAL_MODEL_PACKAGE=engine_ext.sglang.external" in problem
    assert other in problem


def test_finds_an_import_error_that_sglang_only_logs(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BREAKS_AN_IMPORT)
    report = doctor(**ON, PYTHONPATH=str(tmp_path))
    assert report["engines"]["sglang"]["overrides"] == []
    (problem,) = report["problems"]
    assert problem.startswith("sglang resolves models to its own classes: ")
    assert "broken on purpose" in problem
