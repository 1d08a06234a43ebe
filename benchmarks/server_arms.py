"""Servers with the extension off and on, side by side on one GPU."""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from engine_ext import status
from evals.serving.engines import SGLANG
from evals.serving.servers import Server, free_port, running

ARMS: dict[str, dict[str, str]] = {
    "off": {"ENGINE_EXT": "off"},
    "default": {"ENGINE_EXT": ""},
    "pixels": {"ENGINE_EXT": "pixels"},
    "on": {"ENGINE_EXT": "linear,mrope,pixels"},
}
"""Variables of each. Unset is empty: the features that gain something here."""
KEPT_LINES, KEPT_CHARACTERS = 600, 1500
GPU_ENVIRON = {
    "SGLANG_SKIP_SGL_KERNEL_VERSION_CHECK": "1",
    "SGLANG_IS_FLASHINFER_AVAILABLE": "false",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TORCHDYNAMO_DISABLE": "1",  # a first request would wait for what it compiles
    "SGLANG_HOST_IP": "127.0.0.1",
    "GLOO_SOCKET_IFNAME": "lo",  # there may be no other interface
    "NCCL_SOCKET_IFNAME": "lo",
}
GPU_SETTINGS: dict[str, Any] = {
    "dtype": "bfloat16",
    "device": "cuda",
    "sampling_backend": "pytorch",
    "disable_cuda_graph": True,
    "disable_overlap_schedule": True,  # it has a kernel of its own (resolve_future_token_ids)
    "disable_custom_all_reduce": True,
    "max_running_requests": 16,
    "mem_fraction_static": 0.2,
}
SMALL = {"context_length": 2048, "max_total_tokens": 8192}
LARGE = {"context_length": 32768, "max_total_tokens": 65536}


class Kept:
    """What is kept of a run: what was done, and what the servers printed."""

    def __init__(self, folder: Path, begun: float) -> None:
        self.folder, self.begun, self.lock = folder, begun, Lock()

    def say(self, text: str) -> None:
        line = f"[{time.monotonic() - self.begun:5.1f} s] {text}"
        print(line, flush=True)
        with self.lock, (self.folder / "gpu_server.log").open("a") as output:
            output.write(line + "\n")

    def server(self, name: str, log: Path) -> None:
        """Keep the end of a server's output."""
        lines = [
            line[:KEPT_CHARACTERS]
            for line in log.read_text(errors="replace").splitlines()
            if "Ignore import error" not in line
        ]
        with self.lock, (self.folder / "servers.log").open("a") as output:
            output.write(f"\n===== {name}\n" + "\n".join(lines[-KEPT_LINES:]) + "\n")

    def status(self, name: str, written: Path) -> None:
        """Keep and say what the extension reports of a server."""
        lines = status.read(written) if written.exists() else []
        for line in lines:
            modules = ", ".join(one["name"] for one in line["modules"]) or "nothing"
            self.say(f"{name}: features {line['features']}, replaced {modules}")
        if not lines:
            self.say(f"{name}: no status, stock")
        elif written.exists():
            with self.lock, (self.folder / "status.jsonl").open("a") as output:
                output.write(written.read_text())


@dataclass(frozen=True)
class Setting:
    """How every server of a part is started."""

    device: str
    attention: str
    vision_attention: str
    is_large: bool
    start_seconds: float
    flags: tuple[str, ...] = ()

    def settings(self) -> dict[str, Any]:
        # Of a prompt sent again nothing would be left to compute; xgrammar is not carried.
        common = {"disable_radix_cache": True, "grammar_backend": "none"}
        common |= {"skip_server_warmup": True, "log_level": "info"}
        common |= LARGE if self.is_large else SMALL
        if self.device == "cpu":
            return {**SGLANG.cpu_settings, **common}
        backends = {
            "attention_backend": self.attention,
            "mm_attention_backend": self.vision_attention,
        }
        return {**GPU_SETTINGS, **backends, **common}

    def environ(self) -> dict[str, str]:
        return {**GPU_ENVIRON, **(SGLANG.cpu_environ if self.device == "cpu" else {})}


@contextmanager
def started(
    wanted: Mapping[str, tuple[Path, Mapping[str, str]]],
    setting: Setting,
    kept: Kept,
    folder: Path,
) -> Iterator[dict[str, Server]]:
    """Servers by name, each of a model and variables; all start at the same time.

    On a CPU one after the other. Their output is kept however this ends.

    Raises:
        ServerFailed: one of them did not start.
    """
    stack = ExitStack()
    servers: dict[str, Server] = {}

    def start(name: str) -> Server:
        model, environ = wanted[name]
        base = name.replace(" ", "-")
        log, written = folder / f"{base}.log", folder / f"{base}.jsonl"
        written.unlink(missing_ok=True)
        port = free_port()
        command = SGLANG.launch(str(model), model.name, port, setting.settings())
        command += setting.flags
        own = {**setting.environ(), **environ, status.VARIABLE: str(written)}
        context = running(command, model.name, port, log, own, setting.start_seconds)
        begun = time.monotonic()
        kept.say(f"{name}: {shlex.join(command[1:])}")
        try:
            server = context.__enter__()
        except BaseException:
            kept.server(name, log)
            raise
        stack.callback(_end, server, context, name, kept)
        kept.say(f"{name}: started in {time.monotonic() - begun:.1f} s")
        kept.status(name, written)
        return server

    try:
        with ThreadPoolExecutor(1 if setting.device == "cpu" else len(wanted)) as pool:
            futures = {name: pool.submit(start, name) for name in wanted}
        servers = {name: future.result() for name, future in futures.items()}
        yield servers
    finally:
        stack.close()


def _end(server: Server, context: Any, name: str, kept: Kept) -> None:
    """At once: nothing of it is needed, and time is short."""
    with suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGKILL)
    with suppress(Exception):
        context.__exit__(None, None, None)
    kept.server(name, server.log)
