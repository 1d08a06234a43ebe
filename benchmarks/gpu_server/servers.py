"""Servers with the extension off and on, side by side on one GPU."""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from engine_ext import status
from evals.serving import status_lines
from evals.serving.engines import SGLANG

if TYPE_CHECKING:
    from evals.serving.servers import Server

from benchmarks.gpu_server import DEFAULT
from benchmarks.record import OFF, ON, Row, append

WHAT = "gpu_server"
ARMS: dict[str, dict[str, str]] = {
    OFF: {"ENGINE_EXT": "off"},
    DEFAULT: {"ENGINE_EXT": ""},
    ON: {"ENGINE_EXT": "linear,mrope,pixels"},
}
"""Variables of each. Unset is empty: the features that gain something here."""
START_SECONDS = 100
STOPPING = 8
"""Seconds for stopping servers, before time runs out."""
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
    "attention_backend": "torch_native",
    "sampling_backend": "pytorch",
    "disable_cuda_graph": True,
    "disable_overlap_schedule": True,  # it has a kernel of its own (resolve_future_token_ids)
    "disable_custom_all_reduce": True,
    "max_running_requests": 16,
    "mem_fraction_static": 0.2,
}
COMMON = {
    "disable_radix_cache": True,  # of a prompt sent again nothing would be left to compute
    "grammar_backend": "none",  # xgrammar is not carried
    "skip_server_warmup": True,
    "log_level": "info",
}
SMALL = {"context_length": 2048, "max_total_tokens": 8192}
LARGE = {"context_length": 32768, "max_total_tokens": 65536}
Wanted = Mapping[str, tuple[Path, Mapping[str, str]]]
"""Model and variables of servers, by name."""


@dataclass
class Session:
    """A run of the command: its options, where servers' files go, and what is kept of it."""

    options: Any
    folder: Path
    begun: float = field(default_factory=time.monotonic)
    lock: Lock = field(default_factory=Lock)

    def say(self, text: str) -> None:
        line = f"[{time.monotonic() - self.begun:5.1f} s] {text}"
        print(line, flush=True)
        self._keep("gpu_server.log", line + "\n")

    def record(self, rows: Sequence[Row]) -> None:
        append(rows, WHAT, self.options.results)

    def _keep(self, name: str, text: str) -> None:
        with self.lock, (self.options.results / name).open("a") as output:
            output.write(text)

    @contextmanager
    def servers(self, wanted: Wanted, *, are_large: bool) -> Iterator[dict[str, Server]]:
        """All start at the same time, on a CPU one after the other. Their output is kept.

        Raises:
            ServerFailed: one of them did not start.
        """
        settings = self._settings(are_large)
        with ExitStack() as stack:
            with ThreadPoolExecutor(1 if self.options.device == "cpu" else len(wanted)) as pool:
                futures = {
                    name: pool.submit(self._start, name, *each, settings, stack)
                    for name, each in wanted.items()
                }
                try:
                    started = {name: future.result() for name, future in futures.items()}
                except BaseException:  # those that have not begun need not
                    pool.shutdown(cancel_futures=True)
                    raise
            yield started

    def _settings(self, are_large: bool) -> dict[str, Any]:
        size = LARGE if are_large else SMALL
        if self.options.device == "cpu":
            return {**SGLANG.cpu_settings, **COMMON, **size}
        vision = {"mm_attention_backend": "triton_attn" if are_large else "sdpa"}
        return {**GPU_SETTINGS, **vision, **COMMON, **size}

    def _start(
        self,
        name: str,
        model: Path,
        environ: Mapping[str, str],
        settings: Mapping[str, Any],
        stack: ExitStack,
    ) -> Server:
        from evals.serving.servers import free_port, running

        base, begun, port = name.replace(" ", "-"), time.monotonic(), free_port()
        log, written = self.folder / f"{base}.log", self.folder / f"{base}.jsonl"
        written.unlink(missing_ok=True)
        command = SGLANG.launch(str(model), model.name, port, settings)
        command += self.options.flags.split()
        own = {**GPU_ENVIRON, **environ, status.VARIABLE: str(written)}
        if self.options.device == "cpu":
            own |= SGLANG.cpu_environ
        left = self.options.seconds - (begun - self.begun) - STOPPING
        seconds = max(1, min(START_SECONDS, left))
        self.say(f"{name}: {shlex.join(command[1:])}")
        context = running(command, model.name, port, log, own, seconds)
        try:
            server = context.__enter__()
        except BaseException:
            self._keep_log(name, log)
            raise
        stack.callback(self._end, name, server, context)
        self.say(f"{name}: started in {time.monotonic() - begun:.1f} s")
        for line in status_lines.of_models(written):
            modules = ", ".join(one["name"] for one in line["modules"]) or "nothing"
            self.say(f"{name}: features {line['features']}, replaced {modules}")
        return server

    def _end(self, name: str, server: Server, context: Any) -> None:
        """At once: nothing of it is needed, and time is short."""
        with suppress(ProcessLookupError):
            os.killpg(server.process.pid, signal.SIGKILL)
        with suppress(Exception):
            context.__exit__(None, None, None)
        self._keep_log(name, server.log)

    def _keep_log(self, name: str, log: Path) -> None:
        lines = [
            line[:KEPT_CHARACTERS]
            for line in log.read_text(errors="replace").splitlines()
            if "Ignore import error" not in line
        ]
        self._keep("servers.log", "\n".join([f"\n===== {name}", *lines[-KEPT_LINES:], ""]))
