"""One SGLang engine in a process of its own, taken through steps, and what came of them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from engine_ext import status
from evals import checkpoints
from evals.serving import status_lines
from tests.engines.answers import TOLERANCE
from tests.engines.limits import OFF, ON

PROJECT = Path(__file__).parents[3]
SECONDS = 600


def run(
    family: str,
    model: str,
    steps: list[Any],
    settings: Mapping[str, Any] | None = None,
    **environ: str,
) -> list[Any]:
    """What each step of one engine gave (tests/engines/sglang/process.py)."""
    status, output, errors = _engine(family, model, steps, settings, environ)
    assert status == 0, errors[-3000:]
    results: list[Any] = json.loads(output.splitlines()[-1])
    assert len(results) == len(steps), errors[-3000:]
    return results


def failure(
    pattern: str,
    family: str,
    model: str,
    settings: Mapping[str, Any],
    steps: Sequence[Any] = (["ask", 0],),
    **environ: str,
) -> str:
    """What an engine said that cannot take these steps under such settings: what the pattern finds.

    Fails where the engine takes them, or ends for another reason.
    """
    status, output, errors = _engine(family, model, list(steps), settings, environ)
    assert status != 0, f"it can: {output}"
    found = re.search(pattern, output + errors)
    assert found, errors[-3000:]
    return found[0]


def assert_same_answers(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Greedy tokens are equal, and as likely (tests/engines/answers.py)."""
    assert found["tokens"] == expected["tokens"]
    assert found["logprobs"] == pytest.approx(expected["logprobs"], rel=0, abs=TOLERANCE)


class Compared:
    """The same steps of an engine with the extension and of a stock engine, by label.

    ``found`` and ``expected`` are what came of them, ``lines`` the status lines.
    """

    def __init__(
        self,
        family: str,
        steps: Mapping[str, Any],
        folder: Path,
        say: Callable[[str], None],
        settings: Mapping[str, Any] | None = None,
        **environ: str,
    ) -> None:
        model, written = str(checkpoints.path(family)), folder / "status.jsonl"
        came = []
        for switch in ({**ON, status.VARIABLE: str(written)}, OFF):
            say(f"SGLang, {family}, {len(steps)} steps, ENGINE_EXT={switch['ENGINE_EXT']} (1 min)")
            came.append(run(family, model, list(steps.values()), settings, **switch, **environ))
        self.found, self.expected = (dict(zip(steps, one, strict=True)) for one in came)
        self.lines = status_lines.of_models(written)


def _engine(
    family: str,
    model: str,
    steps: list[Any],
    settings: Mapping[str, Any] | None,
    environ: Mapping[str, str],
) -> tuple[int, str, str]:
    """Exit status, output and errors; nothing that the engine has started is left behind."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.engines.sglang.process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        env={**os.environ, **environ},
        start_new_session=True,
    )
    asked = {"family": family, "model": model, "settings": settings or {}, "steps": steps}
    try:
        output, errors = process.communicate(json.dumps(asked), timeout=SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return process.returncode, output, errors
