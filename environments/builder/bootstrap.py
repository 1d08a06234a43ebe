"""uv, which builds environments in a tenth of pip's time, in a small folder of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from . import failures
from .lock import locked
from .say import say, stop

UV = "uv>=0.9,<0.14"
"""Tried with 0.13.9. From PyPI, as everything else."""

# pip's own answers to these would keep it from writing into the folder that it is told.
UNDISTURBED = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}


def uv(envs: Path) -> Path | None:
    """The path of uv below ``envs``, installed if need be; None where pip has to do.

    Raises:
        SystemExit: there is no network, so pip would get nothing either.
    """
    folder = envs / ".uv"
    program = folder / "bin" / "uv"
    stamp = folder / "uv.stamp"
    with locked(envs / ".uv.lock", "uv"):
        if stamp.exists() and stamp.read_text() == UV and program.exists():
            return program
        shutil.rmtree(folder, ignore_errors=True)
        command = _install_command(folder)
        if command is None:
            return _of_the_machine()
        environ = {**os.environ, **UNDISTURBED}
        done = subprocess.run(command, capture_output=True, text=True, env=environ)
        output = done.stdout + done.stderr
        if done.returncode == 0 and program.exists():
            stamp.write_text(UV)
            return program
        shutil.rmtree(folder, ignore_errors=True)
        found = _of_the_machine()
        if found is None and failures.is_network(output):
            stop("no network: uv could not be had from the package index that pip is set to")
        say(f"uv could not be installed ({failures.first_error(output)})")
        return found


def _install_command(folder: Path) -> list[str] | None:
    """By this Python's pip, into a plain folder; by a virtual environment where it has no pip (a
    Debian without python3-pip); None where it has neither."""
    options = ["install", "--quiet", "--disable-pip-version-check", "--retries", "2", UV]
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", *options, "--target", str(folder)]
    if importlib.util.find_spec("ensurepip"):
        venv.create(folder, with_pip=True)
        return [str(folder / "bin" / "python"), "-m", "pip", *options]
    return None


def _of_the_machine() -> Path | None:
    found = shutil.which("uv")
    return Path(found) if found else None
