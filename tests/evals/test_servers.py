"""Ports that servers are given."""

import socket

import pytest

servers = pytest.importorskip("evals.servers", reason="httpx is not installed here")

EPHEMERAL = 32768
"""From here on Linux hands out ports by itself, by default."""


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
