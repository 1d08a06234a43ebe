"""Run Locust against a server and watch the server's memory meanwhile.

Locust runs in a process and an environment of its own: gevent patches what it is loaded beside.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from evals.serving.leaving import end
from evals.serving.servers import Server, ServerFailed
from evals.soak.memory import Sample, sample
from evals.soak.mixed import Request

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
EVERY = 5.0  # seconds between samples
LAST_ANSWERS = 130  # seconds for requests under way at the end


class LoadFailed(RuntimeError):
    """The load generator did not run; the message ends with what it printed."""


@dataclass(frozen=True)
class Load:
    """How hard, and for how long: requests a second over all users."""

    minutes: float
    rate: float
    users: int

    @property
    def seconds(self) -> float:
        return 60 * self.minutes

    @property
    def due(self) -> float:
        """Requests that the rate makes in the time."""
        return self.seconds * self.rate

    @property
    def prepared(self) -> int:
        """Requests to prepare: a few more than can be sent."""
        return math.ceil(self.due) + 2 * self.users


def prepare(
    file: Path, requests: Iterable[Request], model: str, expected: Mapping[str, int]
) -> None:
    """Write the requests for the locustfile, one JSON object a line.

    Args:
        expected: the status that is right, by kind; 200 for kinds that it does not name.
    """
    with file.open("w") as output:
        for request in requests:
            line = {
                "kind": request.kind,
                "body": {"model": model, **request.body},
                "expected": expected.get(request.kind, 200),
                "answer": request.answer,
            }
            output.write(json.dumps(line) + "\n")


def run(
    python: Path,
    server: Server,
    load: Load,
    requests: Path,
    tick: Callable[[float, float], None],
) -> tuple[list[dict[str, Any]], list[Sample]]:
    """Send the prepared requests; every answer, and the samples of the server's memory.

    Answers and the log of Locust are left beside the file of requests.

    Args:
        python: the interpreter that has Locust.
        tick: called after each sample with the seconds gone and the MiB.

    Raises:
        LoadFailed: Locust ended early or with an error of its own.
        ServerFailed: the server ended.
    """
    answers, log = (requests.with_suffix(end) for end in (".answers.jsonl", ".locust.log"))
    command = [
        *(str(python), "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary"),
        *("--host", server.url, "--users", str(load.users), "--spawn-rate", str(load.users)),
        *("--run-time", f"{load.seconds:.0f}s", "--stop-timeout", str(LAST_ANSWERS)),
    ]
    environ = {
        **os.environ,
        "SOAK_REQUESTS": str(requests),
        "SOAK_ANSWERS": str(answers),
        "SOAK_RATE_OF_USER": str(load.rate / load.users),
    }
    process, samples = psutil.Process(server.process.pid), []
    with log.open("w") as output:
        locust = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environ)
        begun = time.monotonic()
        try:
            while locust.poll() is None:
                if not server.is_running():
                    raise ServerFailed(f"the server ended; see {server.log}")
                taken = sample(process, time.monotonic() - begun)
                if taken.seconds <= load.seconds:
                    samples.append(taken)
                tick(taken.seconds, taken.mib)
                with suppress(subprocess.TimeoutExpired):
                    locust.wait(EVERY - (time.monotonic() - begun) % EVERY)
        finally:
            end(locust)
    # Locust's status is 1 when a request failed, which is for the caller to judge.
    if locust.returncode not in (0, 1) or time.monotonic() - begun < 0.9 * load.seconds:
        last = "\n".join(log.read_text().splitlines()[-20:])
        raise LoadFailed(f"Locust ended with status {locust.returncode}; the end of {log}:\n{last}")
    return [json.loads(line) for line in answers.read_text().splitlines()], samples
