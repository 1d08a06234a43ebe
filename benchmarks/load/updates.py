"""What an update of a running model takes, a tensor a call, with the extension and without.

    python -m benchmarks.load.updates

Two models of the engine that is installed here, in one process, without a server around them: its
own class, and the override that serves in its place, its projection replaced. Both have been loaded
and checked; then each is given the tensors of its checkpoint in turn, by 200 calls of
``load_weights``, which may write no line.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from logging.handlers import BufferingHandler
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from benchmarks.command import parser, recording
from benchmarks.record import OFF, ON, compared
from benchmarks.timing import Call, interleaved
from engine_ext import status
from engine_ext.installed import installed_version
from evals import checkpoints
from evals.serving import status_lines
from evals.serving.engines import ENGINES

WHAT = "updates"
CALLS = 200
"""As many as a trainer makes for a model of this size, each with one tensor."""


def main() -> None:
    options_of = parser(__doc__, seconds=60)
    options_of.add_argument("--family", choices=checkpoints.FAMILIES, default="qwen3_vl")
    options = options_of.parse_args()
    name = next(name for name in ENGINES if installed_version(name))
    os.environ["ENGINE_EXT"] = "linear"
    os.environ.update(ENGINES[name].cpu_environ)  # before the engine is imported: it looks once
    checkpoint = checkpoints.path(options.family)
    given = list(load_file(checkpoint / "model.safetensors").items())
    with (
        recording(WHAT, options.results) as rows,
        tempfile.TemporaryDirectory() as folder,
        torch.inference_mode(),
    ):
        lines = Path(folder) / "status.jsonl"
        os.environ[status.VARIABLE] = str(lines)
        models = BOTH[name](str(checkpoint))
        calls = {arm: _updating(model, given) for arm, model in models.items()}
        logged = BufferingHandler(sys.maxsize)
        import_module(f"engine_ext.{name}.log").logger.addHandler(logged)
        times = interleaved(calls, options.seconds, rounds=40)
        said = [record.getMessage() for record in logged.buffer], status_lines.of_models(lines)[1:]
        if any(said):
            raise SystemExit(f"an update wrote lines, expected none: {said}")
        rows += compared(
            times,
            OFF,
            what=WHAT,
            model=options.family,
            count=CALLS,
            dtype=str(next(models[ON].parameters()).dtype).removeprefix("torch."),
        )


def _updating(model: Any, given: Sequence[tuple[str, torch.Tensor]]) -> Call:
    def update() -> None:
        for weight in itertools.islice(itertools.cycle(given), CALLS):
            model.load_weights([weight])

    return update


def of_sglang(checkpoint: str) -> dict[str, Any]:
    """A model of stock and one of the override, loaded by SGLang's own loader."""
    from sglang.srt.models.registry import ModelRegistry

    from engine_ext.sglang.architectures import ARCHITECTURES
    from engine_ext.sglang.overrides import register_overrides
    from evals.serving.sglang_loader import load

    stock = load(checkpoint)
    register_overrides(ModelRegistry, ARCHITECTURES)
    return {OFF: stock, ON: load(checkpoint)}


def of_vllm(checkpoint: str) -> dict[str, Any]:
    """The same by vLLM's own loader, up to where it packs the linear layers: they take no more."""
    from vllm.config import set_current_vllm_config
    from vllm.distributed import ensure_model_parallel_initialized, init_distributed_environment
    from vllm.engine.arg_utils import EngineArgs
    from vllm.model_executor.model_loader import get_model_loader
    from vllm.model_executor.model_loader.utils import get_model_architecture, initialize_model
    from vllm.utils.torch_utils import set_default_torch_dtype

    arguments = EngineArgs(model=checkpoint, **ENGINES["vllm"].cpu_settings)
    models: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for arm in (OFF, ON):
            config = arguments.create_engine_config()  # it keeps the layers of one model
            override, _ = get_model_architecture(config.model_config)
            one = override if arm == ON else override.__mro__[1]
            with (
                set_current_vllm_config(config),
                set_default_torch_dtype(config.model_config.dtype),
            ):
                store = f"file://{folder}/store"
                init_distributed_environment(1, 0, store, 0, backend="gloo")  # once
                ensure_model_parallel_initialized(1, 1)
                model = initialize_model(config, model_class=one)
                get_model_loader(config.load_config).load_weights(model, config.model_config)
            models[arm] = model.eval()
    return models


BOTH = {"sglang": of_sglang, "vllm": of_vllm}


if __name__ == "__main__":
    main()
