"""Ports that servers are given, and how servers end."""

import re
import socket
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
            while not re.search(r"^worker \d+\n", log.read_text(), re.MULTILINE):
                time.sleep(0.05)
        return log.read_text()

    return serve


def ends(log):
    """Whether the worker that wrote its number there is gone, or is in a moment."""
    (number,) = re.findall(r"^worker (\d+)$", log, re.MULTILINE)
    state = Path(f"/proc/{number}/stat")
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
