"""Child processes that end when the suite ends, with all that they started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

POLITE_SECONDS = 40.0
KILL_SECONDS = 5.0


class Children:
    """Starts processes and stops them all: servers that tests started are stopped by the tests,
    which get the interrupt first, or else are killed by their place in the tree of processes."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []
        self.stopping = False

    def run(self, command: Sequence[str], log: Path, environ: dict[str, str]) -> int:
        """The exit status of a command whose output goes to ``log``."""
        if self.stopping:
            return 130
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environ,
                start_new_session=True,
            )
        self._running.append(process)
        status = process.wait()
        self._running.remove(process)
        return status

    def stop(self, seconds: float = POLITE_SECONDS) -> None:
        """Interrupt everything; kill what is there after ``seconds``."""
        self.stopping = True
        running = [process for process in self._running if process.poll() is None]
        tree = {pid for process in running for pid in descendants(process.pid)}
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
        _wait_for(tree, seconds)
        tree |= {pid for process in running for pid in descendants(process.pid)}
        for pid in tree:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _wait_for(tree, KILL_SECONDS)


def descendants(root: int) -> list[int]:
    """A process and all that it and its children started."""
    command = ["ps", "-A", "-o", "pid=,ppid="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    children: dict[int, list[int]] = {}
    for line in listed.splitlines():
        pid, parent = map(int, line.split())
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _wait_for(pids: Iterable[int], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.2)


def _alive(pid: int) -> bool:
    """A process that has ended and waits to be reaped is not alive."""
    command = ["ps", "-o", "stat=", "-p", str(pid)]
    state = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")
