"""Start a real engine server on this machine, wait until it serves, and stop it whatever happens.

The server is the stock command of the engine, on the loopback interface and a free port.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from openai import OpenAI

from evals.serving.engines import Engine

START_SECONDS = 300
STOP_SECONDS = 15
"""To end by one signal, before the next is sent."""
GROUP_SECONDS = 3
"""For what a server has started to end by itself after it: shared memory is freed then."""
PORTS = range(20000, 32768)
"""To choose from: below Linux's ephemeral ones (net.ipv4.ip_local_port_range)."""


class ServerFailed(RuntimeError):
    """The server did not come up; the message ends with the last lines of its log."""


class PortInUse(RuntimeError):
    """A server cannot have the port it was to have."""


@dataclass(frozen=True)
class Server:
    """A server that answers: its address, the model's name there, its log and its process."""

    url: str
    model: str
    log: Path
    process: subprocess.Popen[bytes]

    def is_running(self) -> bool:
        return self.process.poll() is None

    def client(self) -> OpenAI:
        """A client of its OpenAI API. Proxy settings of the environment are not for loopback."""
        return OpenAI(
            base_url=f"{self.url}/v1",
            api_key="none",
            max_retries=0,
            timeout=120,
            http_client=httpx.Client(trust_env=False, timeout=120),
        )


@contextmanager
def cpu_server(
    engine: Engine,
    model: Path,
    log: Path,
    *,
    environ: Mapping[str, str],
    **settings: Any,
) -> Iterator[Server]:
    """The stock command of ``engine`` over a model folder, with its settings for a CPU.

    Args:
        log: file for the server's output.
        environ: variables set for the server on top of this process's (``ENGINE_EXT``, ...).
        settings: the engine's own, on top of those for a CPU.

    Raises:
        ServerFailed: it ended, or did not serve within five minutes.
    """
    port = free_port()
    command = engine.launch(str(model), model.name, port, {**engine.cpu_settings, **settings})
    with running(command, model.name, port, log, {**engine.cpu_environ, **environ}) as server:
        yield server


@contextmanager
def running(
    command: Sequence[str],
    model: str,
    port: int,
    log: Path,
    environ: Mapping[str, str],
    start_seconds: float = START_SECONDS,
) -> Iterator[Server]:
    """A command that serves ``model`` on a port of the loopback interface, once it serves.

    Raises:
        ServerFailed: it ended, or did not serve in ``start_seconds``.
    """
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environ},
            start_new_session=True,  # its workers are stopped with it
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(process, url, log, start_seconds)
            yield Server(url, model, log, process)
        finally:
            try:
                _end(process)
            finally:  # here, as a second signal may be raised before the first line of `_end`
                _kill(process)


def _wait_until_ready(
    process: subprocess.Popen[bytes], url: str, log: Path, seconds: float
) -> None:
    deadline = time.monotonic() + seconds
    with httpx.Client(trust_env=False, timeout=5) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ServerFailed(f"the server ended with status {process.returncode}{_tail(log)}")
            try:
                if client.get(f"{url}/health").status_code == 200:
                    return
            except httpx.TransportError:
                pass  # not listening yet
            time.sleep(0.1)
    raise ServerFailed(f"the server did not serve within {seconds:.0f} s{_tail(log)}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server politely, as by Ctrl-C, and leave what it started a moment to end, too.

    The signal is for the server alone: to SGLang, one of its processes that ends before it has
    crashed, and it writes five seconds of diagnostics. It looks for SIGTERM every five seconds
    (0.5.23), and ends by SIGINT at once; what is still starting may heed SIGTERM only.
    """
    for sent in (signal.SIGINT, signal.SIGTERM):
        process.send_signal(sent)  # does nothing where it has ended
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            break
    with suppress(ProcessLookupError):  # nobody is left
        for _ in range(GROUP_SECONDS * 20):
            os.killpg(process.pid, 0)
            time.sleep(0.05)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the server and of what it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tail(log: Path, lines: int = 30) -> str:
    return f"; the end of {log}:\n" + "\n".join(log.read_text().splitlines()[-lines:])


def is_loopback(url: str) -> bool:
    """Whether a URL is of this machine, for which proxy settings are not."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # another name, or no URL
        return False


def free_port() -> int:
    """A port of the loopback interface that nobody listens on.

    None of those that Linux hands out by itself: a server binds its port many seconds after it was
    chosen, and one of its own connections might have been given it meanwhile.

    Raises:
        PortInUse: none of a hundred was free.
    """
    for port in random.sample(PORTS, 100):
        with suppress(PortInUse):
            return claim_port(port)
    raise PortInUse(f"no free port among a hundred from {PORTS.start} to {PORTS.stop - 1}")


def claim_port(port: int) -> int:
    """The port, if nobody listens on it.

    Raises:
        PortInUse: somebody does.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortInUse(f"port {port} is in use: {error.strerror}") from error
    return port
