"""``make test`` counts, shows and stops what it runs."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.suite import __main__ as suite
from tests.suite import report
from tests.suite.parts import BUILDS, LANES, PROGRESS, Part
from tests.suite.processes import Children
from tests.suite.report import Result

PROJECT = Path(__file__).parents[2]
TESTS = """
import os, pytest
def test_good(): assert "SUITE_PROGRESS" not in os.environ
def test_bad(): assert 1 == 2
def test_left_out(): pytest.skip("absent")
@pytest.fixture
def broken(): raise ValueError
def test_of_a_broken_fixture(broken): pass
"""
# Stands for make: says what a part's tests would say, and ends with the status in its name.
MAKE = """#!/bin/sh
echo "output of $2"
case $2 in
  good) echo '{"file": "tests/a.py", "seconds": 1, "passed": 2, "skipped": 1}' > "$SUITE_PROGRESS";;
  bad) echo '{"file": "tests/b.py", "seconds": 1, "failed": 1}' > "$SUITE_PROGRESS"; exit 2;;
  broken) exit 3;;
esac
"""


def lines_of(folder, source):
    (folder / "test_one.py").write_text(source)
    lines = folder / "lines"
    environ = {**os.environ, PROGRESS: str(lines), "PYTEST_ADDOPTS": "-p tests.suite.progress"}
    environ["PYTHONPATH"] = str(PROJECT)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_one.py"]
    subprocess.run(command, cwd=folder, env=environ, capture_output=True)
    return [json.loads(line) for line in lines.read_text().splitlines()]


def test_a_file_is_counted_as_its_last_test_ends(tmp_path):
    (line,) = lines_of(tmp_path, TESTS)
    assert line.pop("seconds") >= 0
    assert line == {"file": "test_one.py", "passed": 1, "failed": 2, "skipped": 1}


def test_a_file_that_cannot_be_imported_has_failed(tmp_path):
    (line,) = lines_of(tmp_path, "import no_such_module")
    assert line["failed"] == 1


def run_suite(monkeypatch, tmp_path, *targets, build="pass"):
    make = tmp_path / "make"
    make.write_text(MAKE)
    make.chmod(0o755)
    lanes = tuple((Part(target, target, ("core",)),) for target in targets)
    monkeypatch.setattr(suite, "LANES", lanes)
    monkeypatch.setattr(suite, "BUILDS", ("core",))
    monkeypatch.setattr(suite, "BUILD", [sys.executable, "-c", build])
    monkeypatch.setattr(sys, "argv", ["suite", "--make", str(make)])
    monkeypatch.setenv("ENGINE_EXT_ENVS", str(tmp_path / "envs"))
    return suite.main()


def test_all_well_is_status_0_and_the_totals_close_the_output(monkeypatch, tmp_path, capsys):
    assert run_suite(monkeypatch, tmp_path, "good") == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == "2 passed, 0 failed, 1 skipped"
    assert "good           tests/a.py: 2 passed, 1 skipped" in printed
    assert "output of good" not in printed
    assert (tmp_path / "envs" / "logs" / "good.log").read_text() == "output of good\n"


def test_a_failed_test_is_shown_at_the_end_and_the_other_lane_runs_on(
    monkeypatch, tmp_path, capsys
):
    assert run_suite(monkeypatch, tmp_path, "bad", "good") == 1
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == "2 passed, 1 failed, 1 skipped"
    assert "FAILED tests/b.py: 1 failed" in printed
    assert "output of bad" in printed


def test_a_part_that_breaks_or_runs_no_test_has_failed(monkeypatch, tmp_path, capsys):
    assert run_suite(monkeypatch, tmp_path, "broken", "empty") == 1
    printed = capsys.readouterr().out
    assert "ended with status 3" in printed
    assert "ran no test" in printed
    assert printed.splitlines()[-1] == "0 passed, 2 failed, 0 skipped"


def test_a_part_whose_environment_is_not_there_does_not_run(monkeypatch, tmp_path, capsys):
    build = "import sys; '--check' in sys.argv or sys.exit('no network: torch')"
    assert run_suite(monkeypatch, tmp_path, "good", build=build) == 1
    printed = capsys.readouterr().out
    assert "did not run: core could not be built" in printed
    assert "no network: torch" in printed


def test_every_part_has_its_environments_built():
    assert {name for lane in LANES for part in lane for name in part.environments} == set(BUILDS)


def test_every_part_is_a_target():
    makefile = (PROJECT / "Makefile").read_text()
    for part in (part for lane in LANES for part in lane):
        assert f"\n{part.target}: ##" in makefile


def test_only_the_failures_of_a_pytest_run_are_shown():
    output = "tests/a.py .F\n\n==== FAILURES ====\n___ test_bad ___\n1 failed\n"
    assert report.excerpt(output) == "==== FAILURES ====\n___ test_bad ___\n1 failed"


def test_of_other_output_the_end_is_shown():
    assert report.excerpt("\n".join(map(str, range(100)))).splitlines()[0] == "60"


def test_a_lint_that_failed_is_a_failure_in_the_totals():
    assert report.totals([Result("lint", status=2)]) == "0 passed, 1 failed, 0 skipped"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_stopping_ends_all_that_was_started_in_whatever_session(tmp_path):
    pids = tmp_path / "pids"
    deaf = tmp_path / "deaf"
    deaf.write_text(f"trap '' INT\necho $$ >> '{pids}'\nsleep 600 &\necho $! >> '{pids}'\nwait\n")
    children = Children()
    command = ["sh", "-c", f"setsid sh '{deaf}' & sh '{deaf}'"]
    running = threading.Thread(
        target=children.run, args=(command, tmp_path / "log", dict(os.environ))
    )
    running.start()
    while not pids.exists() or len(pids.read_text().split()) < 4:
        time.sleep(0.05)
    children.stop(seconds=0.3)
    running.join(10)
    assert not running.is_alive()
    for pid in pids.read_text().split():
        state = Path(f"/proc/{pid}/stat")
        assert not state.exists() or state.read_text().split()[2] == "Z"
