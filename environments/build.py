"""Build one of the environments that tests, demo and training run in, or find it built.

``python3 environments/build.py NAME`` prints the path of its Python as the last line. Each
environment is a folder below ``.envs/`` (``ENGINE_EXT_ENVS`` names another place), is built once
and rebuilt when its package list changes. uv builds it, which comes from PyPI into ``.envs/.uv``;
pip where uv cannot be had. ``--check`` only says whether this machine can have the environments.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from builder import machine
from builder.environment import build
from builder.lists import ENVIRONMENTS, PROJECT
from builder.say import stop


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="+", choices=ENVIRONMENTS, metavar="NAME")
    parser.add_argument("--check", action="store_true", help="build nothing")
    options = parser.parse_args()
    envs = Path(os.environ.get("ENGINE_EXT_ENVS", PROJECT / ".envs")).absolute()
    for name in options.names:
        machine.check_platform(name)
    if not options.check:
        for name in options.names:
            print(build(name, envs))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        stop("interrupted; the next run goes on")
