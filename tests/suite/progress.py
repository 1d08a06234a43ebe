"""A pytest plugin: a line of JSON for each test file as its last test ends.

``make test`` loads it by PYTEST_ADDOPTS and names the file by SUITE_PROGRESS. Both are taken out
of the environment at once: pytest that a test starts is not part of the suite.
"""

from __future__ import annotations

import collections
import json
import os
from pathlib import Path

import pytest

from tests.suite.parts import PROGRESS


def pytest_configure(config: pytest.Config) -> None:
    file = os.environ.pop(PROGRESS, None)
    os.environ.pop("PYTEST_ADDOPTS", None)
    if file:
        config.pluginmanager.register(Progress(Path(file)))


class Progress:
    """Counts by file; a test counts once, as failed if any of its phases failed."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.left: collections.Counter[str] = collections.Counter()
        self.counts: dict[str, collections.Counter[str]] = {}
        self.seconds: dict[str, float] = collections.defaultdict(float)
        self.outcome = "passed"

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.left.update(item.location[0] for item in session.items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be imported has failed; one that skips itself is one skipped test."""
        if report.outcome != "passed" and report.fspath:
            self.counts[report.fspath] = collections.Counter({report.outcome: 1})
            self._write(report.fspath)

    def pytest_runtest_logstart(self) -> None:
        self.outcome = "passed"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.location[0]
        self.seconds[name] += report.duration
        if report.outcome != "passed" and self.outcome != "failed":
            self.outcome = report.outcome

    def pytest_runtest_logfinish(self, location: tuple[str, int | None, str]) -> None:
        name = location[0]
        self.counts.setdefault(name, collections.Counter())[self.outcome] += 1
        self.left[name] -= 1
        if self.left[name] == 0:
            self._write(name)

    def pytest_sessionfinish(self) -> None:
        """Files that an interruption or ``-x`` cut short."""
        for name, left in self.left.items():
            if left and name in self.counts:
                self._write(name)

    def _write(self, name: str) -> None:
        line = {"file": name, "seconds": self.seconds[name], **self.counts[name]}
        with self.file.open("a") as output:
            output.write(json.dumps(line) + "\n")
