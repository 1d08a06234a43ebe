"""The wheel and the sdist build, hold what they should, and register when installed."""

import json
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(PROJECT)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The Python of a new environment that holds the wheel alone, without torch."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    command = [python, "-I", "-m", "pip", "install", "--quiet", "--no-deps", wheel]
    subprocess.run(command, check=True, capture_output=True)
    return python


def run(python, code):
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_the_package_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"engine_ext", next(t for t in tops if t.endswith(".dist-info"))}
    assert {"engine_ext/py.typed", "engine_ext/doctor/compatibility.json"} <= set(names)
    assert any(name.endswith("LICENSE") for name in names)


def test_the_sdist_builds_the_same_package(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    sources = {str(p.relative_to(PROJECT)) for p in (PROJECT / "engine_ext").rglob("*.py")}
    assert sources <= set(names)
    assert not [name for name in names if name.startswith(("evals/", "tests/"))]


@pytest.mark.parametrize(
    ("group", "module"),
    [
        ("vllm.general_plugins", "engine_ext.vllm.plugin"),
        ("sglang.srt.plugins", "engine_ext.sglang.plugin"),
    ],
)
def test_the_entry_point_is_found_where_the_wheel_is_installed(group, module, installed):
    code = (
        "from importlib.metadata import entry_points\n"
        f"(point,) = entry_points(group={group!r})\n"
        "print(point.name, point.load().__module__)"
    )
    assert run(installed, code).split() == ["engine_ext", module]


def test_importing_never_fails_without_torch_or_engine(installed):
    assert run(installed, "import engine_ext; print(engine_ext.__version__)").strip()


def test_doctor_works_without_torch_and_says_so(installed):
    command = [installed.with_name("engine-ext"), "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["stack"]["torch"] is None
    assert any("no engine found" in problem for problem in report["problems"])


def test_the_core_needs_torch_and_numpy_only(installed):
    code = (
        "from importlib.metadata import requires\n"
        "print(*[r for r in requires('engine-ext') if 'extra ==' not in r], sep=';')"
    )
    assert run(installed, code).strip() == "torch>=2.4;numpy>=1.24"
