"""The status file holds one whole JSON line a record, also with many writers."""

import logging
import multiprocessing
import os
import subprocess
import sys

import pytest

from engine_ext import status
from evals.serving.status_lines import of_all, of_models

LOGGER = logging.getLogger("tests.status")


def write_many(path, writer):
    for number in range(200):
        line = {"writer": writer, "number": number, "fill": "x" * 2000}
        status.record("a test", line, LOGGER, {status.VARIABLE: path})


def test_nothing_is_written_when_no_file_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status.record("a test", {"a": 1}, LOGGER, {})
    assert list(tmp_path.iterdir()) == []


def test_lines_of_concurrent_processes_do_not_mix(tmp_path):
    path = tmp_path / "status.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(str(path), n)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    lines = of_all(path)
    assert len(lines) == 800
    assert [line["number"] for line in lines if line["writer"] == 2] == list(range(200))
    assert len({(line["pid"], line["started"]) for line in lines}) == 4


def test_a_file_nobody_has_written_reads_as_empty(tmp_path):
    assert of_models(tmp_path / "none.jsonl") == []


def test_lines_of_models_are_read_by_themselves(tmp_path):
    file = tmp_path / "status.jsonl"
    by = {"engine": "vllm", "engine_version": "0.32.0", "features": []}
    sender = {**by, "sends": ["image"], "as_before": {}}
    model = {**by, "architecture": "One", "modules": [], "part": 0, "expects": {}}
    for role, line in ((status.SENDER, sender), (status.MODEL, model)):
        status.record(role, line, LOGGER, {status.VARIABLE: str(file)})
    assert [line["role"] for line in of_models(file)] == [status.MODEL]


def test_the_first_process_names_the_launch_and_the_others_keep_its_name():
    environ = {status.VARIABLE: "a file"}
    status.begin(environ)
    first = environ[status.LAUNCH]
    assert str(os.getpid()) in first
    status.begin(environ)
    assert environ[status.LAUNCH] == first


def test_without_a_file_nothing_is_named():
    environ = {}
    status.begin(environ)
    assert environ == {}


def bad_paths(folder):
    os.mkfifo(folder / "pipe")
    return {
        "a folder": folder,
        "no such folder": folder / "none" / "status.jsonl",
        "a pipe that nobody reads": folder / "pipe",
        "too long a name": folder / ("x" * 5000),
        "a full device": "/dev/full",
    }


@pytest.mark.parametrize(
    "name",
    ["a folder", "no such folder", "a pipe that nobody reads", "too long a name", "a full device"],
)
def test_a_file_that_cannot_be_written_is_one_error_in_the_log(name, tmp_path, caplog):
    status.record("a test", {}, LOGGER, {status.VARIABLE: str(bad_paths(tmp_path)[name])})
    (said,) = caplog.records
    assert said.levelno == logging.ERROR
    assert "cannot write ENGINE_EXT_STATUS" in said.getMessage()


def test_a_process_is_known_by_when_it_began():
    sleeps = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert int(status.started(sleeps.pid)) >= int(status.started(os.getpid())) > 0
    sleeps.kill()
    while status.started(sleeps.pid):  # a zombie has ended, though its number is taken
        pass
    sleeps.wait()
    assert status.started(sleeps.pid) == ""
