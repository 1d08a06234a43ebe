"""uv and pip by one interface: create an environment, install packages into it."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import pip_settings
from .say import say


class Failed(Exception):
    """The installer ended with an error; the exception holds its output."""


@dataclass
class Installer:
    """What both have in common: a log, and a line of progress every 20 seconds."""

    folder: Path
    log: Path
    environ: dict[str, str] = field(default_factory=dict)
    name = ""

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def run(self, command: list[str]) -> str:
        """The output of a command.

        Raises:
            Failed: it did not end well.
        """
        started = time.monotonic()
        with self.log.open("a+") as output:
            start = output.seek(0, os.SEEK_END)
            environ = {**os.environ, **self.environ}
            process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env=environ, close_fds=False
            )
            try:
                while process.poll() is None:
                    try:
                        process.wait(timeout=20)
                    except subprocess.TimeoutExpired:
                        seconds = time.monotonic() - started
                        say(f"... {self.name} has been running for {seconds:.0f} s")
            finally:
                process.kill()
                process.wait()
            output.seek(start)
            text = output.read()
        if process.returncode:
            raise Failed(text)
        return text


@dataclass
class Uv(Installer):
    """Files are hard links to uv's cache, so five environments take the disk of one and a half."""

    program: Path = Path("uv")
    flags: list[str] = field(default_factory=list)
    has_every_index: bool = True
    name = "uv"

    def __post_init__(self) -> None:
        settings = pip_settings.for_uv(pip_settings.read())
        self.environ = {**settings.variables, "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}
        self.flags = settings.flags
        self.has_every_index = not settings.left_out
        self._keep_cache_beside()

    def _keep_cache_beside(self) -> None:
        """Hard links do not cross file systems: there, a cache below the environments' folder."""
        if "UV_CACHE_DIR" in os.environ:
            return
        command = [str(self.program), "cache", "dir"]
        place = Path(subprocess.run(command, capture_output=True, text=True).stdout.strip())
        while not place.exists():
            place = place.parent
        if place.stat().st_dev != self.folder.parent.stat().st_dev:
            self.environ["UV_CACHE_DIR"] = str(self.folder.parent / ".uv-cache")

    def create(self, python: Path | None) -> None:
        """An environment of this Python, or of a Python 3.11 that uv has or fetches."""
        wanted = str(python) if python else "3.11"
        self.run([str(self.program), "venv", "--python", wanted, str(self.folder)])

    def prefer_cpu_torch(self, pins: list[str]) -> None:
        """Take torch's CPU build: what the indexes of pip have, else PyTorch's own index."""
        if not pins or "UV_TORCH_BACKEND" in os.environ:
            return
        asked = [str(self.program), "pip", "install", "--dry-run", "--no-deps", *self._target()]
        if "+" in self.run([*asked, *pins]).rpartition("torch==")[2].split("\n")[0]:
            return
        try:
            self.run([*asked, "--torch-backend", "cpu", *pins])
        except Failed:
            say("no CPU build of torch can be reached: taking the index's, several GB more")
        else:
            self.flags = [*self.flags, "--torch-backend", "cpu"]

    def install(self, *arguments: str) -> None:
        """Install without compiling: Python writes the bytecode of what is imported, a third of
        all files, at the first import. The Makefile sees to it that it may."""
        self.run([str(self.program), "pip", "install", *self._target(), *arguments])

    def install_project(self, project: Path) -> None:
        self.install("--no-deps", "--reinstall-package", "engine-ext", "--editable", str(project))

    def _target(self) -> list[str]:
        return ["--python", str(self.python), *self.flags]


@dataclass
class Pip(Installer):
    """Where uv cannot be had: the same environments, in ten times the time."""

    name = "pip"

    def create(self, python: Path | None) -> None:
        """An environment of this Python, which has to have ``ensurepip``."""
        if python is None:
            raise Failed("error: pip cannot fetch a Python 3.11")
        self.run([str(python), "-m", "venv", str(self.folder)])

    def prefer_cpu_torch(self, pins: list[str]) -> None:
        """pip takes what its indexes have: a CPU build is the better version where there is one."""

    def install(self, *arguments: str) -> None:
        pip = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        self.run([*pip, "--retries", "2", *arguments])

    def install_project(self, project: Path) -> None:
        self.install("--no-deps", "--editable", str(project))
