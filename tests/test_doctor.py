"""doctor in an environment without an engine; with one: tests/engines."""

import json
import subprocess
import sys

import pytest

from engine_ext import cli, doctor
from engine_ext.vllm import doctor as vllm_doctor
from engine_ext.vllm.versions import is_tried


def test_says_that_no_engine_is_installed(capsys):
    assert cli.main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "no engine found" in shown
    assert "not active" in shown


def test_prints_json_for_scripts(capsys):
    assert cli.main(["doctor", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["active"] is False
    assert report["engines"] == {}
    assert report["stack"]["torch"]


def test_reports_an_unknown_feature():
    report = doctor.examine({"ENGINE_EXT": "fast"})
    assert any("'fast' not understood" in problem for problem in report["problems"])
    assert report["features"] == []


@pytest.mark.parametrize(
    ("number", "version"), [(91002, "9.10.2"), (8907, "8.9.7"), (91900, "9.19.0"), (None, None)]
)
def test_reads_the_number_cudnn_states(number, version):
    assert doctor._cudnn_version(number) == version


@pytest.mark.parametrize(
    ("version", "tried"),
    [
        ("0.10.2", False),
        ("0.11.0", True),
        ("0.32.0+cpu", True),
        ("0.33.1", True),
        ("0.34.0", False),
        ("0.1.dev1+g123", False),
    ],
)
def test_versions_outside_the_tried_range_stay_stock(version, tried):
    assert is_tried(version) is tried


def test_an_engine_that_is_too_old_is_a_problem():
    assert any("0.10.2 has not been tried" in text for text in vllm_doctor.problems("0.10.2", {}))
    assert not any("has not been tried" in text for text in vllm_doctor.problems("0.32.0", {}))


@pytest.mark.parametrize(
    ("plugins", "allowed"),
    [(None, True), ("engine_ext", True), ("other,engine_ext", True), ("other", False), ("", False)],
)
def test_a_whitelist_of_plugins_without_us_is_a_problem(plugins, allowed):
    environ = {} if plugins is None else {"VLLM_PLUGINS": plugins}
    found = [text for text in vllm_doctor.problems("0.32.0", environ) if "VLLM_PLUGINS" in text]
    assert found == [] if allowed else "does not name engine_ext" in found[0]


def test_the_command_is_installed():
    shown = subprocess.run([sys.executable, "-m", "engine_ext.cli", "--help"], capture_output=True)
    assert b"doctor" in shown.stdout
