"""The engines, as their own commands start them, and the settings by which each runs on a CPU."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Engine:
    """A serving engine of this environment.

    Settings are the engine's own, by the names that its Python API gives them; its command line
    has the same names with dashes.
    """

    name: str
    command: tuple[str, ...]
    """The stock command, up to the path of the model."""
    shown: str
    """The same for readers."""
    without_plugins: Mapping[str, str]
    """Variables that keep every plugin out: stock, whatever is installed beside it."""
    cpu_environ: Mapping[str, str]
    cpu_settings: Mapping[str, Any]

    def launch(self, model: str, name: str, port: int, settings: Mapping[str, Any]) -> list[str]:
        """The command that serves ``model``, a path or a name, on the loopback interface."""
        network = {"host": "127.0.0.1", "port": port, "served_model_name": name}
        return [*self.command, model, *_flags({**network, **settings})]

    def of(self, python: Path) -> Engine:
        """The same engine as it is installed beside another Python."""
        executable = _vllm(python) if self.name == "vllm" else _sglang(python)
        return replace(self, command=executable)


def _flags(settings: Mapping[str, Any]) -> list[str]:
    flags = []
    for name, value in settings.items():
        flag = "--" + name.replace("_", "-")
        if isinstance(value, Mapping):
            flags.append(f"{flag}={json.dumps(value)}")
        elif value is True:
            flags.append(flag)
        elif value is not False:
            flags.append(f"{flag}={value}")
    return flags


def _vllm(python: Path) -> tuple[str, ...]:
    return str(python.with_name("vllm")), "serve"


def _sglang(python: Path) -> tuple[str, ...]:
    return str(python), "-m", "sglang.launch_server", "--model-path"


VLLM = Engine(
    name="vllm",
    command=_vllm(Path(sys.executable)),
    shown="vllm serve",
    without_plugins={"VLLM_PLUGINS": ""},
    cpu_environ={
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
        # Compilation helps a long-lived server; here it would make the first request take seconds.
        "TORCHDYNAMO_DISABLE": "1",
    },
    cpu_settings={
        "dtype": "bfloat16",
        "enforce_eager": True,
        "max_model_len": 2048,
        "max_num_seqs": 4,
        "max_num_batched_tokens": 2048,
        "gpu_memory_utilization": 0.3,  # of CPU memory on a CPU, and it must be free at the start
        "limit_mm_per_prompt": {"image": 2, "video": 1},
    },
)

SGLANG = Engine(
    name="sglang",
    command=_sglang(Path(sys.executable)),
    shown="python -m sglang.launch_server",
    without_plugins={"SGLANG_PLUGINS": "none"},
    cpu_environ={
        "SGLANG_USE_CPU_ENGINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
    },
    cpu_settings={
        "dtype": "bfloat16",
        "device": "cpu",
        "attention_backend": "torch_native",
        "mm_attention_backend": "sdpa",
        "sampling_backend": "pytorch",
        "disable_overlap_schedule": True,
        "disable_cuda_graph": True,
        "context_length": 2048,
        "max_total_tokens": 4096,
        "max_running_requests": 4,
        "mem_fraction_static": 0.1,
    },
)

ENGINES = {engine.name: engine for engine in (SGLANG, VLLM)}
