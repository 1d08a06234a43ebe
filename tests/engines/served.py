"""Servers of a run of the tests, each asked once whatever any test wants of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine_ext import status
from engine_ext.doctor import launches, status_file
from evals import PROJECT, checkpoints
from evals.checkpoints.questions import conversations
from evals.media.images import png
from evals.serving import status_lines
from evals.serving.asking import Reply, ask
from evals.serving.engines import ENGINES
from evals.serving.servers import Server, cpu_server
from tests.engines.limits import DEFAULT, NAME, OFF, ON, families, serves_video, settings
from tests.engines.requests import pictures, videos

CANDIDATES = {
    "off": OFF,
    "default": DEFAULT,
    "on": ON,
}
"""Variables of each server that answers are compared of."""
FLOATS = "a processor of floats"
IN_FLOAT32 = {"in float32": {"dtype": "float32"}}
VARIANTS = {
    "sglang": {FLOATS: {"image_processor_backend": "pil"}, **IN_FLOAT32},
    "vllm": {FLOATS: {"no_mm_device_do_normalize": True}, **IN_FLOAT32},
}
"""Settings other than the engine's own: a processor of SGLang that gives floating point, and rows
that vLLM normalises on the host; a model in float32. Of the family that the fast tests have of each
engine."""
LOGITS = {"vllm": {"hf_overrides": {"head_dtype": "float32"}}}
"""In bfloat16 logits above 8 come in steps of 1/16, which even odds halve."""
FAST = "qwen2_5_vl"
FAST_TOO = {"sglang": ["glm4v"]}
"""What has other code of the engine before the tower than the first: its videos come as images."""


def runs(fast: list[str], others: list[str]) -> list[Any]:
    """Parameters of a fixture: those of the fast tests, then those of recorded runs."""
    marked = [pytest.param(run, marks=pytest.mark.slow) for run in others if run not in fast]
    return [*fast, *marked]


SERVED = runs([FAST, *FAST_TOO.get(NAME, [])], families())
WITH_PIXELS = runs([FAST], [*families(), *VARIANTS[NAME or "vllm"]])


@dataclass(frozen=True)
class Served:
    """What a server said to everything, the status lines of its models before any update, what
    `engine-ext doctor --status` said meanwhile, its log, and what came of the steps that only this
    one was taken through."""

    family: str
    replies: dict[str, Reply]
    lines: list[dict[str, Any]]
    report: dict[str, Any] | None
    log: str
    steps: dict[str, Any] = field(default_factory=dict)
    doctor: str = ""
    """What `engine-ext doctor --status` printed meanwhile."""
    example: str = ""
    """What `examples/serving.py` did."""


def serve(run: str, candidate: str, folder: Path) -> Served:
    """Start a server, ask it everything, and stop it.

    Args:
        run: a family, or a variant of ``FAST``.
    """
    family = FAST if run in VARIANTS[NAME] else run
    lines, log = folder / "status.jsonl", folder / "log"
    environ = {**CANDIDATES[candidate], status.VARIABLE: str(lines)}
    given = {**settings(family), **LOGITS.get(NAME, {}), **VARIANTS[NAME].get(run, {})}
    model = checkpoints.path(family)
    with cpu_server(ENGINES[NAME], model, log, environ=environ, **given) as server:
        client, video = server.client(), serves_video(family)
        asked = {**conversations(family, video=video), **pictures(family, video=video)}
        if video:  # vLLM is told to take one a prompt
            asked |= videos(family, two=NAME == "sglang")
        replies = {name: ask(client, server.model, content) for name, content in asked.items()}
        loaded = status_lines.of_models(lines)
        report = launches.examine(status_file.read(lines)) if lines.exists() else None
        said = {"doctor": _doctor(lines)} if candidate == "default" else {}
        steps = {}
        for take in _steps_of(run, candidate):
            steps.update(take(server, folder, candidate))
        steps["lines"] = status_lines.of_models(lines)
        if said:  # last: what the other server is not asked may leave nothing in a cache before
            said["example"] = _example(server, folder, lines)
    return Served(family, replies, loaded, report, log.read_text(), steps, **said)


def _doctor(lines: Path) -> str:
    return _printed("-m", "engine_ext", "doctor", "--status", lines)


def _example(server: Server, folder: Path, lines: Path) -> str:
    """Of a picture that is a question by itself."""
    picture = folder / "picture.png"
    picture.write_bytes(png(64, 64))
    return _printed(PROJECT / "examples" / "serving.py", server.url, picture, lines)


def _printed(*command: str | Path) -> str:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    return done.stdout + done.stderr


def _steps_of(run: str, candidate: str) -> list[Callable[[Server, Path, str], dict[str, Any]]]:
    if NAME != "sglang":
        return []
    from sglang.srt.managers.io_struct import GenerateReqInput

    from tests.engines.sglang import http_updates, named, one_colour, repeated

    steps = [repeated.take]
    if hasattr(GenerateReqInput, "mm_hashes") and run not in named.ENDS_STOCK:
        steps.append(named.take)
    if run == http_updates.FAMILY:
        steps.append(http_updates.take)
    if run == one_colour.FAMILY and serves_video(run):
        steps.append(one_colour.take)
    return steps
