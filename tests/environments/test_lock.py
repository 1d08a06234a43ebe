"""Two builds of one environment at once: the second waits, and says so."""

import subprocess
import sys
from pathlib import Path

from environments.builder.lock import locked

PROJECT = Path(__file__).parents[2]
HOLD = """
import subprocess, sys, time
from pathlib import Path
from environments.builder.lock import locked
with locked(Path(sys.argv[1]), "core"):
    if len(sys.argv) > 3:
        subprocess.Popen(["sleep", sys.argv[3]], close_fds=False, stdout=subprocess.DEVNULL)
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(file, seconds, *installer_seconds):
    command = [sys.executable, "-c", HOLD, str(file), str(seconds), *installer_seconds]
    started = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert started.stdout.readline() == "held\n"
    return started


def test_the_second_waits_for_the_first_and_says_so(tmp_path, capsys):
    first = holder(tmp_path / "lock", 0.5)
    with locked(tmp_path / "lock", "core"):
        assert first.poll() is not None or first.wait(5) == 0
    assert capsys.readouterr().err == "[environments] waiting for another build of core\n"


def test_a_lock_that_nobody_holds_is_taken_in_silence(tmp_path, capsys):
    with locked(tmp_path / "new" / "lock", "core"):
        pass
    assert capsys.readouterr().err == ""


def test_the_installer_of_a_killed_build_is_waited_for(tmp_path, capsys):
    first = holder(tmp_path / "lock", 600, "0.7")
    first.kill()
    first.wait()
    with locked(tmp_path / "lock", "core"):
        pass
    assert "waiting for another build" in capsys.readouterr().err


def test_a_build_that_was_killed_keeps_nobody_waiting(tmp_path, capsys):
    first = holder(tmp_path / "lock", 600)
    first.kill()
    first.wait()
    with locked(tmp_path / "lock", "core"):
        pass
    assert capsys.readouterr().err == ""
