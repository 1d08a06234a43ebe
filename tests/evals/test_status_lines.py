"""Of a status file that many launches have written, what the one that runs says."""

import logging
import subprocess
import sys

import pytest

from engine_ext import status
from evals.serving.status_lines import LaunchEnded, of_running

LOGGER = logging.getLogger("tests.status_lines")
HERE = {}
ELSEWHERE = {"host": "another", "pid": 1, "started": "5"}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "status.jsonl"


@pytest.fixture
def say(file):
    """``say(launch, who, number)``: append a line of this process, or of ``who``."""

    def append(launch, who, number):
        environ = {status.VARIABLE: str(file), status.LAUNCH: launch}
        status.record("a test", {"number": number, **who}, LOGGER, environ)

    return append


@pytest.fixture(scope="module")
def ended():
    """How the lines of a process that has ended differ from those of this one."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = {"pid": process.pid, "started": status.started(process.pid)}
    process.communicate(b"\n")
    return found


def numbers(file):
    return [line["number"] for line in of_running(file)]


def test_what_earlier_launches_said_does_not_count(file, say):
    say("first", HERE, 1)
    say("second", HERE, 2)
    assert numbers(file) == [2]


def test_a_launch_that_has_ended_says_nothing_of_a_server_that_runs(file, say, ended):
    say("first", HERE, 1)
    say("second", ended, 2)
    with pytest.raises(LaunchEnded, match="the newest launch in it, second, has ended"):
        of_running(file)


def test_what_a_process_said_that_has_ended_does_not_count(file, say, ended):
    say("first", ended, 1)
    say("first", HERE, 2)
    assert numbers(file) == [2]


def test_of_another_host_nobody_knows(file, say):
    say("first", ELSEWHERE, 1)
    assert numbers(file) == [1]


def test_a_server_without_the_extension_writes_nothing(file):
    file.touch()
    assert of_running(file) == []
