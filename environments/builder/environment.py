"""Builds one environment, or finds it built. What is half built is removed, now or by the next run:
the stamp that says "built" is written last."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from . import bootstrap, failures, machine
from .installer import Failed, Pip, Uv
from .lists import (
    ENVIRONMENTS,
    PROJECT,
    SHIMS,
    Environment,
    packages_stamp,
    project_stamp,
    requirements,
    torch_pins,
)
from .lock import locked
from .say import say, stop


def build(name: str, envs: Path) -> Path:
    """Build the environment ``name`` below ``envs`` unless it is up to date; its Python's path.

    Raises:
        SystemExit: it cannot be built here; one line says why.
    """
    machine.check_platform(name)
    folder = envs / name
    python = folder / "bin" / "python"
    with locked(envs / f".{name}.lock", name):
        stamp = packages_stamp(name)
        if _read(folder / "packages.stamp") != stamp:
            _build_packages(name, envs)
            (folder / "packages.stamp").write_text(stamp)
        stamp = project_stamp()
        if _read(folder / "project.stamp") != stamp:
            _install_project(name, envs)
            (folder / "project.stamp").write_text(stamp)
    return python


def _build_packages(name: str, envs: Path) -> None:
    started = time.monotonic()
    say(f"building {name} ({ENVIRONMENTS[name].size})")
    python = machine.python_of_the_version()
    program = bootstrap.uv(envs)
    if program is None and (python is None or not _has_ensurepip(python)):
        stop(_nothing_to_build_with(python))
    log = _new_log(name, envs)
    try:
        if program is not None:
            uv = Uv(envs / name, log, program=program)
            try:
                _fill(name, uv, python)
            except Failed as failed:
                output = str(failed)
                if failures.is_full(output):
                    raise
                if failures.is_network(output) and uv.has_every_index:
                    raise
                if os.environ.get("UV_OFFLINE") or python is None or not _has_ensurepip(python):
                    raise
                say(f"uv failed ({failures.first_error(output)}); once more with pip")
                _fill(name, Pip(envs / name, log), python)
        else:
            _fill(name, Pip(envs / name, log), python)
    except BaseException as error:
        shutil.rmtree(envs / name, ignore_errors=True)
        if isinstance(error, Failed):
            stop(_reason(name, str(error), log, python))
        if isinstance(error, OSError) and failures.is_full(str(error)):
            stop(f"{name}: the disk is full ({error}); free some and run it again")
        raise
    say(f"built {name} in {time.monotonic() - started:.0f} s")


def _fill(name: str, installer: Uv | Pip, python: Path | None) -> None:
    """All packages of an environment, into an empty folder."""
    environment = ENVIRONMENTS[name]
    shutil.rmtree(installer.folder, ignore_errors=True)
    installer.create(python)
    listed = str(requirements(name))
    if environment.cpu_torch:
        installer.prefer_cpu_torch(torch_pins(name))
    if environment.complete:
        installer.install(*torch_pins(name), "--constraint", listed)
        installer.install("--no-deps", "-r", listed)
    else:
        installer.install("-r", listed)
    if environment.alone:
        installer.install("--no-deps", *environment.alone)
    _add_extras(installer.folder, environment)


def _install_project(name: str, envs: Path) -> None:
    """The project itself, in place. One at a time: setuptools writes beside the sources."""
    python = envs / name / "bin" / "python"
    program = None if _has(python, "pip") else bootstrap.uv(envs)
    log = envs / "logs" / f"build-{name}.log"
    log.parent.mkdir(exist_ok=True)
    installer = Uv(envs / name, log, program=program) if program else Pip(envs / name, log)
    with locked(envs / ".project.lock", "the project's metadata"):
        try:
            installer.install_project(PROJECT)
        except Failed as failed:
            stop(_reason(name, str(failed), log, python))


def _add_extras(folder: Path, environment: Environment) -> None:
    packages = next(folder.glob("lib/python*/site-packages"))
    for shim in environment.shims:
        source = SHIMS / shim
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


def _reason(name: str, output: str, log: Path, python: Path | None) -> str:
    """One line about a build that failed."""
    if python is None:
        return (
            f"{name}: found no Python 3.11, and uv could not fetch one: install python3.11, or "
            f"name one by PYTHON=..., and run it again (the log: {log})"
        )
    if failures.is_full(output):
        return f"{name}: the disk is full; free some and run it again (the log: {log})"
    package = failures.package(output)
    if failures.is_network(output):
        return f"{name}: no network: {package or 'a package'} could not be had (the log: {log})"
    return f"{name}: {failures.first_error(output)} (the log: {log})"


def _nothing_to_build_with(python: Path | None) -> str:
    if python is None:
        return (
            "found no Python 3.11 and no uv to fetch one; expected one of them: install "
            "python3.11 (Debian: python3.11 and python3.11-venv), or uv"
        )
    return (
        f"{python} has neither pip nor ensurepip, and there is no uv; expected one of them: "
        "install python3-venv (Debian), or uv"
    )


def _has_ensurepip(python: Path) -> bool:
    return _has(python, "ensurepip")


def _has(python: Path, module: str) -> bool:
    code = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
    return subprocess.run([str(python), "-c", code], capture_output=True).returncode == 0


def _new_log(name: str, envs: Path) -> Path:
    log = envs / "logs" / f"build-{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    return log


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""
