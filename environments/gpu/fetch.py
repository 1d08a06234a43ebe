"""Download the wheels for a GPU machine without a network into two folders of a checkout.

    python3 environments/gpu/fetch.py [CHECKOUT]

``.gpu-wheels-1`` serves images, ``.gpu-wheels-2`` adds videos. For Python 3.12, Linux, x86-64.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
GLIBC = (5, 12, 17, 24, 26, 27, 28, 31, 34)
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in GLIBC] + ["manylinux2014_x86_64"]


def main() -> None:
    checkout = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parents[1]
    for part in (1, 2):
        folder = checkout / f".gpu-wheels-{part}"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--python-version=3.12", "--implementation=cp"]
        command += [f"--platform={platform}" for platform in PLATFORMS]
        command += ["--dest", str(folder), "--requirement", str(HERE / f"wheels-{part}.txt")]
        subprocess.run(command, check=True)
        size = sum(wheel.stat().st_size for wheel in folder.iterdir()) / 2**20
        print(f"{folder}: {size:.1f} MiB")


if __name__ == "__main__":
    main()
