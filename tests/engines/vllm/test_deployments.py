"""Servers of several processes: the answers of stock in the same layout, and each process tells
what it does."""

import re
import shutil
from contextlib import contextmanager

import pytest

from engine_ext import __version__, status
from evals import PROJECT
from evals.serving import status_lines
from evals.serving.engines import VLLM
from evals.serving.servers import free_port
from tests.engines.deployed import another_command, deploy
from tests.engines.limits import DEFAULT, OFF, ON, slow, with_pixels

pytestmark = [slow, with_pixels]

FAMILY = "qwen2_5_vl"
BINDS = {"VLLM_CPU_OMP_THREADS_BIND": "0|1"}
LAYOUT = {"data_parallel_size": 2, "api_server_count": 2}
SAID = ("beside vllm", "engine_ext: images are sent")
"""What a process says once when it starts, and once when it knows what it sends."""
SENDS = {"by default": (DEFAULT, []), "pixels named": (ON, ["image"])}


@pytest.fixture(scope="module")
def stock(tmp_path_factory, say):
    say("vLLM, two engines and two API servers, stock (1 min)")
    return deploy(FAMILY, tmp_path_factory.mktemp("stock"), {**OFF, **BINDS}, **LAYOUT)


@pytest.mark.shows("layouts", "data parallel 2, two API servers, {features}")
@pytest.mark.parametrize("features", SENDS)
def test_answers_are_those_of_stock_and_every_process_is_told(
    features, stock, tmp_path, say, record_property
):
    say(f"vLLM, two engines and two API servers, {features} (1 min)")
    switch, sends = SENDS[features]
    found = deploy(FAMILY, tmp_path, {**switch, **BINDS}, rounds=4, **LAYOUT)
    for replies in found.rounds:
        assert replies == stock.rounds[0]
    assert stock.report is None
    assert found.report["problems"] == []
    assert sorted(one["part"] for one in found.by_role("model")) == [0, 1]
    assert [one["sends"] for one in found.by_role("sender")] == [sends, sends]
    began, sent = (re.findall(rf"^\((.+?)\) .* {said}", found.log, re.M) for said in SAID)
    assert len(began) == len(set(began)) >= 5  # command, engines, API servers, and workers
    assert sorted(who.split()[0] for who in sent) == ["ApiServer_0", "ApiServer_1"]
    record_property("found", "each process writes its line")


SIDES = {
    "off before it, pixels there": (OFF, ON),
    "by default before it, off there": (DEFAULT, OFF),
    "by default before it, not loaded there": (DEFAULT, VLLM.without_plugins),
}


@contextmanager
def headless(folder, switch):
    """A command that has the second engine: its status file, and what the first is given."""
    parallel = {
        "data_parallel_size": 2,
        "data_parallel_size_local": 1,
        "data_parallel_address": "127.0.0.1",
        "data_parallel_rpc_port": free_port(),
    }
    there = {**parallel, "headless": True, "data_parallel_start_rank": 1}
    with another_command(FAMILY, folder, {**switch, **BINDS}, **there) as lines:
        yield lines, {**parallel, "api_server_count": 1}


@pytest.mark.shows("layouts", "data parallel 2, one engine a headless command, {sides}")
@pytest.mark.parametrize("sides", SIDES)
def test_two_commands_of_different_settings_answer_as_stock(sides, stock, tmp_path, say):
    say(f"vLLM, two engines of a command each, {sides} (1 min)")
    first, second = SIDES[sides]
    with headless(tmp_path / "there", second) as (lines, layout):
        found = deploy(FAMILY, tmp_path / "first", {**first, **BINDS}, rounds=4, **layout)
        elsewhere = status_lines.of_all(lines)
    for replies in found.rounds:
        assert replies == stock.rounds[0]
    assert [line["part"] for line in elsewhere] == [1] * (second is ON)
    if first is not OFF:
        assert [one["part"] for one in found.by_role("model")] == [0]


@pytest.mark.shows("layouts", "data parallel 2, one engine a headless command, another version")
def test_two_versions_of_the_extension_are_told(stock, tmp_path, say, record_property):
    say("vLLM, two engines of a command each, another version of the extension (1 min)")
    package = shutil.copytree(PROJECT / "engine_ext", tmp_path / "newer" / "engine_ext")
    says = package / "__init__.py"
    says.write_text(re.sub('__version__ = ".+"', '__version__ = "9.9.9"', says.read_text()))
    first = tmp_path / "first"
    first.mkdir()
    same = {status.LAUNCH: "one", status.VARIABLE: str(first / "status.jsonl")}
    newer = {**same, "PYTHONPATH": str(tmp_path / "newer")}
    with headless(tmp_path / "there", newer) as (_, layout):
        found = deploy(FAMILY, first, {**same, **BINDS}, rounds=4, **layout)
    for replies in found.rounds:
        assert replies == stock.rounds[0]
    (here, there) = sorted(found.by_role("model"), key=lambda one: one["part"])
    assert (here["engine_ext"], there["engine_ext"]) == (__version__, "9.9.9")
    (problem,) = found.report["problems"]
    assert problem.startswith("processes differ in the version of the extension: ")
    assert f"9.9.9: {there['pid']}" in problem
    record_property("found", "engine-ext doctor --status says which process has which")
