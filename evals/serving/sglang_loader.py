"""SGLang's own loader in this process: what its scheduler does, without a server around it."""

from __future__ import annotations

from functools import cache
from typing import Any

from evals.serving.engines import SGLANG


@cache
def _load_config() -> Any:
    """Start the parallel state of one process, by building a first model; how it was loaded."""
    from sglang.srt.server_args import PortArgs

    from evals import checkpoints

    arguments = server_args(str(checkpoints.path("qwen2_vl")))
    ports = PortArgs.init_new(arguments)
    try:
        from sglang.srt.runtime_context import publish
    except ImportError:  # 0.5.17 and older
        from sglang.bench_one_batch import load_model
        from sglang.srt.layers.moe import initialize_moe_config
        from sglang.srt.server_args import set_global_server_args_for_scheduler

        set_global_server_args_for_scheduler(arguments)
        initialize_moe_config(arguments)
    else:
        from sglang.benchmark.one_batch import load_model

        publish(arguments, role="scheduler", **_ranks())
    runner = load_model(arguments, ports, 0, 0)[0]
    return getattr(runner, "torch_runner", runner).load_config


def _ranks() -> dict[str, Any]:
    try:
        from sglang.srt.runtime_context import SpawnRanks
    except ImportError:  # 0.5.19 and older
        return {}
    return {"ranks": SpawnRanks(world_rank=0, gpu_id=0)}


def server_args(model: str, **settings: Any) -> Any:
    """Resolved server arguments for a model folder."""
    from sglang.srt.server_args import ServerArgs

    arguments = ServerArgs(model_path=model, **{**SGLANG.cpu_settings, **settings})
    if hasattr(arguments, "resolve_once"):
        arguments.resolve_once()
    return arguments


def load(model: str, load_format: str = "auto", **settings: Any) -> Any:
    """A model of ``sglang.srt.models``, or its override, loaded by the engine's own loader."""
    from dataclasses import replace

    from sglang.srt.configs.device_config import DeviceConfig
    from sglang.srt.configs.load_config import LoadFormat
    from sglang.srt.configs.model_config import ModelConfig
    from sglang.srt.model_loader import get_model

    how = replace(_load_config(), load_format=LoadFormat(load_format))
    return get_model(
        model_config=ModelConfig.from_server_args(server_args(model, **settings)),
        load_config=how,
        device_config=DeviceConfig("cpu"),
    )
