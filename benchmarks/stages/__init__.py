"""Where the time of an image goes, timed inside the processes of a real engine.

Python imports ``sitecustomize`` as it starts: one of ours wraps functions of the engine as their
modules are imported (`wrapped`), and each call appends a line to a file (`clock`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import TypeVar

Result = TypeVar("Result")
FILE, STUBBED = "BENCHMARK_STAGES", "BENCHMARK_STUBBED"
"""Environment variables: where to write, and whether the tower's blocks return what they get."""
WAITS = "BENCHMARK_WAITS"
"""Whether a GPU is waited for at both ends of a call: its work is asynchronous."""
STEPS = "BENCHMARK_STEPS"
"""Where to write when tokens came; then what a prompt's tokens attend to is left out, too."""
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
POSITIONS = "rope positions"
"""Where SGLang tokenizes, beside the others."""
SCHEDULER, HASHED = "in the scheduler", "hash in the scheduler"
"""Of these what is spent by the process that runs the tower, where running texts wait for it; and
how much of that is hashing."""
HOST_TIME, BYTES, WHOLE = "decoded image to tower", "bytes a patch", "whole request"
STUBBED_BLOCKS = "blocks stubbed"
"""What is known of a request beside its stages; how a tower is told that does not compute."""
_WAITED_FOR = (HASH, RECEIVE, GATHER, NORMALISE)


def environ(folder: Path, *, is_stubbed: bool) -> dict[str, str]:
    """Variables for an engine that is to write what its stages take into ``folder``."""
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    project = Path(__file__).parents[2]
    path = os.pathsep.join([str(folder), str(project), os.environ.get("PYTHONPATH", "")])
    return {FILE: str(folder / "stages.jsonl"), STUBBED: str(int(is_stubbed)), "PYTHONPATH": path}


def of(folder: Path, call: Callable[[], Result]) -> tuple[dict[str, float], Result]:
    """What each stage of a call took, and all of it, in milliseconds, and the bytes a patch.

    And what the call gave.
    """
    take(folder)
    begun = perf_counter()
    result = call()
    whole = 1e3 * (perf_counter() - begun)
    spent, size = take(folder)
    sums = {HOST_TIME: sum(spent[one] for one in HOST), WHOLE: whole, BYTES: size}
    return {**spent, **sums}, result


def take(folder: Path) -> tuple[dict[str, float], float]:
    """Milliseconds of each stage since the last call, and bytes a patch where they are sent.

    And of what is spent where the tower runs. 0 bytes where nothing was sent.
    """
    file = folder / "stages.jsonl"
    spent = dict.fromkeys((*STAGES, POSITIONS, SCHEDULER, HASHED), 0.0)
    sent, patches = 0, 0
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    of_tower = {one["process"] for one in lines if one["stage"] == TOWER}
    for one in lines:
        spent[one["stage"]] += one["ms"]
        if one["process"] in of_tower and one["stage"] in _WAITED_FOR:
            spent[SCHEDULER] += one["ms"]
            spent[HASHED] += one["ms"] * (one["stage"] == HASH)
        sent += one["bytes"]
        patches += one["patches"]
    file.unlink(missing_ok=True)
    return spent, sent / patches if patches else 0.0
