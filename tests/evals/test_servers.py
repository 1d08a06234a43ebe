"""Ports that servers are given, and how servers end, also with the command that started them."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

servers = pytest.importorskip("evals.serving.servers", reason="httpx is not installed here")

EPHEMERAL = 32768
"""From here on Linux hands out ports by itself, by default."""

WORKER = """
import os, signal, time

for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: print("worker told to end", flush=True))
print("worker", os.getpid(), flush=True)
while True:
    time.sleep(60)
"""
SERVER = """
import http.server, signal, subprocess, sys

port, worker, obeys = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "obeys"

class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

def end(*_):
    print("server told to end", flush=True)
    if obeys:
        sys.exit(0)

for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, end)
subprocess.Popen([sys.executable, "-c", worker])
http.server.HTTPServer(("127.0.0.1", port), Healthy).serve_forever()
"""
"""A server with a worker that never ends by itself."""


@pytest.fixture
def log_of_one_stopped(tmp_path):
    """What a server and its worker wrote from start to stop; whether it ends when it is told to."""

    def serve(obeys):
        port, log = servers.free_port(), tmp_path / "log"
        command = [sys.executable, "-c", SERVER, str(port), WORKER, obeys]
        with servers.running(command, "model", port, log, environ={}):
            wait_for(r"^worker \d+\n", log)
        return log.read_text()

    return serve


def wait_for(pattern, log):
    deadline = time.monotonic() + 60
    while not re.search(pattern, log.read_text(), re.MULTILINE):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def worker(log):
    """The number that the worker wrote there."""
    (number,) = re.findall(r"^worker (\d+)$", log, re.MULTILINE)
    return int(number)


def ends(log):
    """Whether the worker that wrote its number there is gone, or is in a moment."""
    state = Path(f"/proc/{worker(log)}/stat")
    for _ in range(100):
        with suppress(FileNotFoundError):
            if state.read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.05)
                continue
        return True
    return False


def test_the_server_alone_is_told_to_end_and_its_workers_end_with_it(log_of_one_stopped):
    log = log_of_one_stopped("obeys")
    assert log.count("server told to end") == 1
    assert "worker told to end" not in log
    assert ends(log)


def test_a_server_that_does_not_end_is_ended(log_of_one_stopped, monkeypatch):
    monkeypatch.setattr(servers, "STOP_SECONDS", 0.5)
    log = log_of_one_stopped("stays")
    assert log.count("server told to end") == 2  # by two signals
    assert ends(log)


COMMAND = """
import os, signal, sys, time
from pathlib import Path
from evals.serving import servers
from evals.serving.leaving import leave_when_told

log, then, *server = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever it was started with
signal.signal(signal.SIGHUP, signal.SIG_DFL)
servers.GROUP_SECONDS = 0
leave_when_told()
port = servers.free_port()
command = [sys.executable, "-c", server[0], str(port), *server[1:]]
with servers.running(command, "a model", port, Path(log), environ={}):
    while "worker" not in Path(log).read_text():
        time.sleep(0.05)
    print("serves", flush=True)
    exec(then)
"""
WAIT = "time.sleep(60)"
TELL_TWICE_AT_ONCE = """
both = {signal.SIGTERM, signal.SIGHUP}
signal.pthread_sigmask(signal.SIG_BLOCK, both)
for sent in both:
    os.kill(os.getpid(), sent)
signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
"""


@pytest.fixture
def serving(tmp_path):
    """``serving(then, obeys)``: a command that has started a server, and the server's log."""
    log = tmp_path / "log"
    started = []

    def start(then, obeys):
        command = [sys.executable, "-c", COMMAND, str(log), then, SERVER, WORKER, obeys]
        started.append(process := subprocess.Popen(command, stdout=subprocess.PIPE))
        assert process.stdout.readline() == b"serves\n"
        return process, log

    yield start
    for process in started:
        process.kill()
        process.communicate()
        with suppress(ProcessLookupError):
            os.killpg(os.getpgid(worker(log.read_text())), signal.SIGKILL)


def test_a_terminal_that_goes_away_leaves_no_server(serving):
    process, log = serving(WAIT, "obeys")
    process.send_signal(signal.SIGHUP)
    assert process.wait(30) == 128 + signal.SIGHUP
    assert "server told to end" in log.read_text()
    assert ends(log.read_text())


def test_a_second_interrupt_shortens_the_waiting_and_leaves_no_server(serving):
    process, log = serving(WAIT, "stays")
    process.send_signal(signal.SIGINT)
    wait_for("server told to end", log)
    process.send_signal(signal.SIGINT)
    assert process.wait(servers.STOP_SECONDS / 2) == -signal.SIGINT
    assert ends(log.read_text())


def test_two_signals_at_once_leave_no_server(serving):
    process, log = serving(TELL_TWICE_AT_ONCE, "obeys")
    assert process.wait(30) in (128 + signal.SIGTERM, 128 + signal.SIGHUP)
    assert ends(log.read_text())


def test_a_hangup_that_is_ignored_stays_so():
    """As under ``nohup``."""
    command = (
        "import os, signal; from evals.serving.leaving import leave_when_told;"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN); leave_when_told();"
        "os.kill(os.getpid(), signal.SIGHUP); print('goes on')"
    )
    assert subprocess.check_output([sys.executable, "-c", command]) == b"goes on\n"


def test_no_port_is_chosen_that_the_kernel_might_hand_out_meanwhile():
    assert servers.PORTS.stop <= EPHEMERAL
    assert servers.free_port() in servers.PORTS


def test_a_port_that_somebody_listens_on_is_not_chosen(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(servers, "PORTS", range(port, port + 1))
        monkeypatch.setattr(servers.random, "sample", lambda ports, _: list(ports))
        with pytest.raises(servers.PortInUse, match="no free port"):
            servers.free_port()
        with pytest.raises(servers.PortInUse, match=f"port {port} is in use"):
            servers.claim_port(port)
