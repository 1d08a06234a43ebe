"""``make test``: builds the environments, runs the parts in two lanes, prints what came of it.

Parts are make targets. The whole output of each is in a file below ``.envs/logs/``; here is a line
a test file, the output of what failed, a table of times, and the totals. The exit status is 0 if
every part ended well and ran a test.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from . import report
from .parts import BUILDS, LANES, PROGRESS, Part
from .processes import Children
from .report import Result

PROJECT = Path(__file__).resolve().parents[2]
BUILD = [sys.executable, str(PROJECT / "environments" / "build.py")]


class Suite:
    """Lanes and the builder are threads; each waits for one child process at a time."""

    def __init__(self, make: str, logs: Path) -> None:
        self.make = make
        self.logs = logs
        self.children = Children()
        self.builds = {name: Result(f"build {name}") for name in BUILDS}
        self.built = {name: threading.Event() for name in BUILDS}
        self.parts = {part.name: Result(part.name, tests=part.tests) for part in _all_parts()}
        self.printing = threading.Lock()

    def run(self) -> None:
        """Everything, to its end; on an interrupt everything is stopped first."""
        lanes = [lambda lane=lane: self._lane(lane) for lane in LANES]
        threads = [threading.Thread(target=one, daemon=True) for one in (self._build_all, *lanes)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.5)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            self._say("interrupted: stopping what runs")
            self.children.stop()
            raise

    def _build_all(self) -> None:
        for name in BUILDS:
            log = self.logs / f"make-{name}.log"
            result = self.builds[name]
            result.log = log
            started = time.monotonic()
            result.status = self.children.run([*BUILD, name], log, dict(os.environ))
            result.seconds = time.monotonic() - started
            self._say(f"{result.seconds:6.1f} s  {result.name}" + self._ending(result))
            self.built[name].set()

    def _lane(self, lane: tuple[Part, ...]) -> None:
        for part in lane:
            for name in part.environments:
                self.built[name].wait()
            result = self.parts[part.name]
            bad = [name for name in part.environments if self.builds[name].status]
            if bad:
                result.reason = f"{' and '.join(bad)} could not be built"
            elif not self.children.stopping:
                self._run_part(part, result)

    def _run_part(self, part: Part, result: Result) -> None:
        result.log = self.logs / f"{part.target}.log"
        lines = self.logs / f"{part.target}.jsonl"
        lines.write_text("")
        environ = {**os.environ, PROGRESS: str(lines)}
        plugin = "-p tests.suite.progress"
        environ["PYTEST_ADDOPTS"] = f"{os.environ.get('PYTEST_ADDOPTS', '')} {plugin}".strip()
        # Threads of one lane that wait for each other must not wait for the other lane.
        environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // len(LANES))))
        # A part is not told of the jobs of the make that started the suite.
        environ.pop("MAKEFLAGS", None)
        command = [self.make, "--no-print-directory", part.target, f"PYTHON={sys.executable}"]
        started = time.monotonic()
        ended = threading.Event()
        follower = threading.Thread(target=self._follow, args=(part, lines, result, ended))
        follower.start()
        try:
            result.status = self.children.run(command, result.log, environ)
        finally:
            ended.set()
            follower.join()
        result.seconds = time.monotonic() - started
        self._say(f"{result.seconds:6.1f} s  {part.name}" + self._ending(result))

    def _follow(self, part: Part, lines: Path, result: Result, ended: threading.Event) -> None:
        """Print and count each test file as it ends."""
        with lines.open() as reading:
            while True:
                last = ended.is_set()
                for text in reading.readlines():
                    line = json.loads(text)
                    for outcome in report.OUTCOMES:
                        result.counts[outcome] += line.get(outcome, 0)
                    self._say(report.file_line(part.name, line))
                if last:
                    return
                ended.wait(0.5)

    @staticmethod
    def _ending(result: Result) -> str:
        return ": done" if result.good else ": FAILED"

    def _say(self, line: str) -> None:
        with self.printing:
            print(line, flush=True)


def _all_parts() -> list[Part]:
    return [part for lane in LANES for part in lane]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--make", default="make", help="the make that runs the parts")
    make = parser.parse_args().make
    if subprocess.run([*BUILD, "--check", *BUILDS]).returncode:
        return 1
    logs = Path(os.environ.get("ENGINE_EXT_ENVS", PROJECT / ".envs")).absolute() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    for sent in (signal.SIGINT, signal.SIGTERM):  # a shell may have had the first ignored
        signal.signal(sent, signal.default_int_handler)
    started = time.monotonic()
    suite = Suite(make, logs)
    print(f"the whole output of each part: {logs}", flush=True)
    try:
        suite.run()
    except KeyboardInterrupt:
        return 130
    results = [*suite.builds.values(), *suite.parts.values()]
    for result in results:
        if not result.good and result.log:
            print(f"\n== {result.name}: {result.log}")
            print(report.excerpt(result.log.read_text(errors="replace")))
    print("\n" + report.table(results, time.monotonic() - started))
    print("\n" + report.totals(results))
    return 0 if all(result.good for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
