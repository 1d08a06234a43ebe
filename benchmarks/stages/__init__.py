"""Where the time of an image goes, timed inside the processes of a real engine.

Python imports ``sitecustomize`` as it starts: one of ours wraps functions of the engine as their
modules are imported (`wrapped`), and each call appends a line to a file (`clock`).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

FILE, STUBBED = "BENCHMARK_STAGES", "BENCHMARK_STUBBED"
"""Environment variables: where to write, and whether the tower's blocks return what they get."""
WAITS = "BENCHMARK_WAITS"
"""Whether a GPU is waited for at both ends of a call: its work is asynchronous."""
SITECUSTOMIZE = "from benchmarks.stages.wrapped import install\n\ninstall()\n"

DECODE, PROCESS, HASH, SEND, RECEIVE, GATHER, NORMALISE, PROJECT, TOWER, LANGUAGE = STAGES = (
    "decode",
    "image processor",
    "hash",
    "send",
    "receive",
    "gather and cast",
    "normalise",
    "projection",
    "rest of the tower",
    "language model",
)
"""In the order of a request."""
HOST = STAGES[1:7]
"""From the decoded image to what the tower gets."""


def environ(folder: Path, *, is_stubbed: bool) -> dict[str, str]:
    """Variables for an engine that is to write what its stages take into ``folder``."""
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    project = Path(__file__).parents[2]
    path = os.pathsep.join([str(folder), str(project), os.environ.get("PYTHONPATH", "")])
    return {FILE: str(folder / "stages.jsonl"), STUBBED: str(int(is_stubbed)), "PYTHONPATH": path}


def take(folder: Path) -> tuple[dict[str, float], float]:
    """Milliseconds of each stage since the last call, and bytes a patch where they are sent.

    0 bytes where nothing was sent.
    """
    file = folder / "stages.jsonl"
    spent = dict.fromkeys(STAGES, 0.0)
    sent, patches = 0, 0
    for line in file.read_text().splitlines() if file.exists() else ():
        one = json.loads(line)
        spent[one["stage"]] += one["ms"]
        sent += one["bytes"]
        patches += one["patches"]
    file.unlink(missing_ok=True)
    return spent, sent / patches if patches else 0.0
