"""Tests against the engine installed here; `make` builds the environments and runs them."""

import functools
import os
from pathlib import Path

import pytest

from engine_ext import features
from evals.reliability.record import Record
from tests.engines.limits import NAME, RECORDS, VERSION

if not NAME:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def say(request):
    """Write a line of progress to the terminal, past pytest's capture."""
    plugins = request.config.pluginmanager
    capture, reporter = plugins.get_plugin("capturemanager"), plugins.get_plugin("terminalreporter")

    def write(line):
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(f"  ... {line}")

    return write


@pytest.fixture(scope="session")
def served(tmp_path_factory, say):
    """``served(run, candidate)``: what a server said to everything, started once in a session."""
    from evals.serving.engines import ENGINES
    from tests.engines.served import serve

    @functools.cache
    def once(run, candidate):
        say(f"{ENGINES[NAME].shown}, {run}, extension {candidate} (40 s)")
        return serve(run, candidate, tmp_path_factory.mktemp(candidate))

    return once


RECORD = pytest.StashKey[Record]()


def pytest_configure(config):
    os.environ.pop(features.VARIABLE, None)  # engines do what they do by default, whoever tests
    config.stash[RECORD] = Record()


BY_DEFAULT = ("test_serving.py", "test_default.py")
"""Tests of engines as they start by themselves: what everybody runs comes before what is named."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in BY_DEFAULT)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Note what a test shows (evals/reliability/record.py), whether or not it is kept."""
    report = yield
    mark = item.get_closest_marker("shows")
    ended = report.when == "call" or report.failed
    if mark is not None and ended and not report.skipped:
        table, row = mark.args
        arguments = getattr(getattr(item, "callspec", None), "params", {})
        found = [text for name, text in item.user_properties if name == "found"]
        item.config.stash[RECORD].add(
            table, row.format(**arguments), passed=report.passed, found=found
        )
    return report


def pytest_sessionfinish(session):
    folder = os.environ.get(RECORDS)
    if folder and NAME:
        version = ".".join(map(str, VERSION))
        file = session.config.stash[RECORD].write(NAME, version, Path(folder))
        session.config.get_terminal_writer().line(f"\nrecorded in {file}")
