"""However a run ends without a verdict, its exit status is that of INVALID and not of FAIL."""

import errno
import json
import os
import subprocess
import sys

import pytest

from evals.gate import run

URLS = ["--baseline-url", "http://127.0.0.1:1", "--candidate-url", "http://127.0.0.1:2"]
FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def failing(monkeypatch):
    """``failing(name)``: what is called so in a run raises. No task is written: it takes long."""
    monkeypatch.setattr(run.tasks, "write", lambda *_: None)

    def make(name):
        def fail(*_):
            raise FULL

        monkeypatch.setattr(run, name, fail)

    return make


def test_what_nobody_foresaw_is_in_the_report_and_on_stderr(tmp_path, failing, capsys):
    failing("_arm")
    assert run.main([*URLS, "--out", str(tmp_path)]) == 2
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["verdict"] == "INVALID"
    assert "No space left on device" in report["reasons"][0]
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["_prepare", "_pictures"])
def test_an_error_outside_of_the_arms_is_said_in_a_line(tmp_path, failing, capsys, name):
    failing(name)
    assert run.main([*URLS, "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert any(line.startswith("the gate failed by itself: OSError(28") for line in said)


def test_an_earlier_report_is_not_left_in_a_folder_that_is_used_again(tmp_path):
    for name in run.REPORTS:
        (tmp_path / name).write_text("PASS")
    (tmp_path / "status.jsonl").write_text("a log\n")
    given = [*URLS, "--out", str(tmp_path), "--baseline-status", str(tmp_path / "status.jsonl")]
    assert run.main(given) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["status.jsonl"]


def test_an_environment_that_lacks_a_library_is_no_failure_of_a_candidate(tmp_path):
    (tmp_path / "scipy.py").write_text("raise ImportError('none here')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    ran = subprocess.run(
        [sys.executable, "-m", "evals.gate", "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert ran.returncode == 2
    assert "cannot import the gate: ImportError('none here')" in ran.stderr
