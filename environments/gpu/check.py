"""What a GPU machine has that SGLang needs: printed, whatever is missing."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import time

COMMANDS = (
    ("nvidia-smi", "--query-gpu=name,memory.used,driver_version", "--format=csv"),
    ("df", "-h", "/dev/shm", "/tmp"),
    ("gcc", "--version"),
    ("ip", "-brief", "address"),
)
MODULES = (
    "torch",
    "torchvision",
    "triton",
    "transformers",
    "sglang.srt.entrypoints.http_server",
    "sglang.srt.models.qwen2_5_vl",
    "sglang.srt.models.qwen3_vl",
    "sglang.srt.models.glm4v",
)


def main() -> None:
    for command in COMMANDS:
        found = shutil.which(command[0])
        said = subprocess.run(command, capture_output=True, text=True).stdout if found else "none"
        print(f"$ {command[0]}\n{said.strip()}", flush=True)
    for name in MODULES:
        begun = time.monotonic()
        try:
            version = getattr(importlib.import_module(name), "__version__", "")
            print(f"[ok] {name} {version} {time.monotonic() - begun:.1f} s", flush=True)
        except BaseException as error:
            print(f"[FAIL] {name}: {type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    main()
