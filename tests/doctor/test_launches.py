"""`engine-ext doctor --status FILE`: which processes of a launch are there, and do they agree."""

import json
import logging
import os
import platform
import subprocess
import sys

import pytest

from engine_ext import cli, status

LOGGER = logging.getLogger("tests.launches")
BY = {"engine": "sglang", "engine_version": "0.5.23", "features": ["linear", "pixels"]}
HOLDS = {
    **BY,
    "architecture": "AModel",
    "modules": [],
    "left_alone": [],
    "part": 0,
    "expects": {},
}
SENDS = {**BY, "sends": ["image"], "as_before": {"video": "a reason"}}
ONE_OF_EACH = {"expects": {"models": 1, "senders": 1}}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "status.jsonl"


@pytest.fixture
def say(file):
    """``say(role, line, launch=...)``: append a line, by this process unless it says otherwise."""

    def append(role, line, launch="now", **others):
        status.record(
            role, {**line, **others}, LOGGER, {status.VARIABLE: str(file), status.LAUNCH: launch}
        )

    return append


@pytest.fixture
def child():
    """Another process that runs: how its lines differ from those of this one."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield {"pid": process.pid, "started": status.started(process.pid)}
    process.communicate(b"\n")


@pytest.fixture
def judged(file, capsys):
    """The exit status of the command, and what it reports."""

    def of():
        exit_status = cli.main(["doctor", "--status", str(file), "--json"])
        return exit_status, json.loads(capsys.readouterr().out)

    return of


def problems(judged):
    exit_status, report = judged()
    assert exit_status == (1 if report["problems"] else 0)
    return report["problems"]


def test_a_launch_whose_processes_are_there_and_agree(say, child, judged):
    say(status.SENDER, SENDS, **ONE_OF_EACH)
    say(status.MODEL, HOLDS, **child)
    exit_status, report = judged()
    assert (exit_status, report["problems"], report["earlier"]) == (0, [], [])
    assert [(one["roles"], one["state"]) for one in report["processes"]] == [
        (["sender"], "running"),
        (["model"], "running"),
    ]


def test_it_is_said_in_words_too(say, child, file, capsys):
    say(status.SENDER, SENDS, **ONE_OF_EACH)
    say(status.POSITIONS, {"function": "get_rope_index", "in_use": ["qwen2_vl", "image"]})
    say(status.MODEL, HOLDS, **child)
    assert cli.main(["doctor", "--status", str(file)]) == 0
    _, sender, model, verdict = capsys.readouterr().out.splitlines()
    assert sender.startswith(f"process   {os.getpid()}: engine_ext")
    assert sender.endswith("positions by the extension: qwen2_vl image")
    assert model.startswith(f"process   {child['pid']}: ")
    assert verdict == "verdict   all that are known of are there, and agree"


def test_a_process_that_writes_no_line_is_missing(say, child, judged):
    say(status.SENDER, SENDS, expects={"models": 2, "senders": 2})
    say(status.MODEL, HOLDS, **child)
    models, senders, refused = problems(judged)
    assert models.startswith("1 of 2 processes of role 'model' are here")
    assert senders.startswith("1 of 2 processes of role 'sender' are here")
    assert f"process {os.getpid()} sends pixels" in refused


def test_a_sender_of_pixels_without_any_model_is_told(say, judged):
    say(status.SENDER, SENDS)
    (refused,) = problems(judged)
    assert "without the extension it refuses them" in refused


def test_a_sender_that_sends_as_before_needs_nobody(say, judged):
    say(status.SENDER, {**SENDS, "sends": []})
    assert problems(judged) == []


def test_parts_of_a_data_parallel_engine_count_each(say, child, judged):
    say(status.MODEL, HOLDS, part=0, expects={"models": 1, "senders": 1})
    say(status.MODEL, HOLDS, part=1, expects={"models": 1, "senders": 1}, **child)
    assert problems(judged) == []
    say(status.MODEL, HOLDS, part=2, expects={"models": 2, "senders": 1}, **child)
    (missing,) = problems(judged)
    assert missing.startswith("2 of 3 processes of role 'model'")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("engine_ext", "0.0.9"),
        ("engine_version", "0.5.22"),
        ("engine", "vllm"),
        ("features", ["linear"]),
    ],
)
def test_processes_that_differ_are_told_with_who_says_what(name, value, say, child, judged):
    say(status.SENDER, SENDS, **ONE_OF_EACH)
    say(status.MODEL, HOLDS, **{name: value}, **child)
    (differ,) = problems(judged)
    assert differ.startswith("processes differ in the")
    assert str(child["pid"]) in differ
    assert str(os.getpid()) in differ


def test_a_process_that_has_ended_is_told_and_one_that_took_its_number_is_not_it(
    say, child, judged
):
    say(status.SENDER, SENDS, **ONE_OF_EACH)
    say(status.MODEL, HOLDS, pid=child["pid"], started="1")
    assert problems(judged) == [f"process {child['pid']} (model) has ended"]


def test_a_server_that_runs_no_more_is_no_running_one(say, judged):
    say(status.MODEL, HOLDS, started="1")
    assert problems(judged) == ["none of its processes is running any more"]


def test_processes_of_another_host_are_not_looked_for(say, child, judged):
    say(status.SENDER, SENDS, **ONE_OF_EACH)
    say(status.MODEL, HOLDS, host="another", started="1")
    exit_status, report = judged()
    assert exit_status == 0
    assert report["processes"][1]["state"] == "on another host"


def test_a_launch_of_another_host_alone_is_not_known_and_no_problem(say, file, capsys):
    say(status.MODEL, HOLDS, host="another")
    assert cli.main(["doctor", "--status", str(file)]) == 0
    assert capsys.readouterr().out.endswith(
        "verdict   all that are known of agree;"
        " whether 1 of 1 processes still run is not known from here\n"
    )


def test_a_container_of_the_same_host_name_is_none_that_can_be_looked_at(say, file, capsys):
    """As where it was started again, or shares the name of the machine: it may be dead."""
    say(status.MODEL, HOLDS, namespace="pid:[1]")
    assert cli.main(["doctor", "--status", str(file)]) == 1
    _, process, problem, verdict = capsys.readouterr().out.splitlines()
    assert f"{os.getpid()}, in another container ({platform.node()}): " in process
    assert problem.startswith("problem   its processes were in another container")
    assert verdict == (
        "verdict   see the problems; whether 1 of 1 processes still run is not known from here"
    )


def test_a_container_beside_one_that_can_be_looked_at_is_no_problem(say, child, judged):
    say(status.SENDER, SENDS, **ONE_OF_EACH)
    say(status.MODEL, HOLDS, **{**child, "namespace": "pid:[1]"})
    assert problems(judged) == []


def test_earlier_launches_are_counted_and_not_read_as_this_one(say, child, judged):
    say(status.SENDER, {**SENDS, "features": ["linear"]}, launch="the first", started="1")
    say(status.MODEL, HOLDS, launch="the second", **child)
    say(status.SENDER, SENDS, launch="the third", **ONE_OF_EACH)
    say(status.MODEL, HOLDS, launch="the third", **child)
    exit_status, report = judged()
    assert (exit_status, report["launch"]) == (0, "the third")
    assert report["earlier"] == [
        {"launch": "the first", "processes": 1, "running": 0},
        {"launch": "the second", "processes": 1, "running": 1},
    ]
