"""The recipe of docs/deployment.md for an image, without Docker: the same commands in a fresh
environment, offline from a folder of wheels, and the stock command of the engine."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv

import pytest

from engine_ext import status
from engine_ext.doctor import launches, status_file
from evals import PROJECT, checkpoints
from evals.checkpoints.questions import conversations
from evals.serving.asking import ask
from evals.serving.engines import ENGINES
from evals.serving.servers import cpu_server
from tests.engines.limits import HAS_PIXELS, NAME, settings, slow

pytestmark = [slow, pytest.mark.skipif(not HAS_PIXELS, reason="tried on newer engines")]

FAMILY = "qwen2_5_vl"
SOURCES = ("engine_ext", "pyproject.toml", "README.md", "LICENSE")
BUILD = "from setuptools import build_meta; build_meta.build_wheel('wheels')"


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """Variables under which nothing of this checkout is found."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory, clean):
    """The folder that an image gets: the wheel alone."""
    folder = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy
        copy(PROJECT / name, folder / name)
    (folder / "wheels").mkdir()
    subprocess.run([sys.executable, "-c", BUILD], check=True, cwd=folder, env=clean)
    return folder / "wheels"


@pytest.fixture(scope="module")
def python(tmp_path_factory, wheels, clean):
    """Of an environment in which the recipe has been followed, with the engine in view."""
    folder = tmp_path_factory.mktemp("image")
    venv.create(folder, with_pip=True)
    found = folder / "bin" / "python"
    run(found, clean, "-m", "pip", "install", "--no-index", "--find-links", wheels, "--no-deps",
        "engine-ext")  # fmt: skip
    # The engine's packages, as the image's own: those of this environment, ours here before.
    view = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})"
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "engine.pth").write_text(view + "\n")
    command = folder / "bin" / "vllm"
    if NAME == "vllm":
        main = "from vllm.entrypoints.cli.main import main\nif __name__ == '__main__':\n    main()"
        command.write_text(f"#!{found}\n{main}\n")
        command.chmod(0o755)
    return found


def run(python, environ, *arguments):
    # From a folder in which no checkout is found.
    here = python.parent.parent
    done = subprocess.run(
        [python, *arguments], capture_output=True, text=True, env=environ, cwd=here
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_image_has_what_was_installed_and_doctor_says_that_it_acts(python, clean):
    where = run(python, clean, "-c", "import engine_ext; print(engine_ext.__file__)")
    assert str(python.parent.parent) in where
    environ = {**clean, **ENGINES[NAME].cpu_environ}
    done = subprocess.run(
        [python.with_name("engine-ext"), "doctor"], capture_output=True, text=True, env=environ
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].split() == ["[ok]", "verdict", "active"]


def test_the_stock_command_serves_with_it(python, tmp_path, monkeypatch, say):
    say(f"{NAME}, the recipe of docs/deployment.md (1 min)")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    model, lines = checkpoints.path(FAMILY), tmp_path / "status.jsonl"
    engine, environ = ENGINES[NAME].of(python), {status.VARIABLE: str(lines)}
    with cpu_server(engine, model, tmp_path / "log", environ=environ, **settings(FAMILY)) as server:
        asked = conversations(FAMILY)["image"]
        assert ask(server.client(), server.model, asked).text
        report = launches.examine(status_file.read(lines))
    assert report["problems"] == []
    assert {role for one in report["processes"] for role in one["roles"]} == {"sender", "model"}


def test_it_can_be_taken_out_again(python, clean):
    run(python, clean, "-m", "pip", "uninstall", "--yes", "engine-ext")
    left = [path for path in python.parent.parent.rglob("*engine*ext*") if "cache" not in str(path)]
    assert left == []
