"""What loading the plugin does to each of SGLang's processes: a hook, and nothing else."""

import json
import os
import subprocess
import sys

import pytest

from engine_ext.sglang.versions import (
    EXTERNAL_PACKAGE,
    EXTERNAL_VARIABLE,
    PROCESSOR_PACKAGE,
    PROCESSORS_VARIABLE,
)
from evals.serving.engines import SGLANG
from tests.engines.limits import IS_OLD_SGLANG

pytestmark = pytest.mark.skipif(IS_OLD_SGLANG, reason="this SGLang loads no plugins")

PROCESSES = {
    "main": "sglang.launch_server",
    "detokenizer": "sglang.srt.managers.detokenizer_manager",
    "scheduler": "sglang.srt.managers.scheduler",
}
"""By the module that each runs, from what imports least to what imports most."""

WORKER = "worker of several tokenizers"
"""It imports the package that the entry point has named in the main process."""

SETS = ("DG_JIT_CACHE_DIR", "DG_JIT_USE_NVRTC", "TLLM_LOG_LEVEL")
"""What SGLang sets when its layers are imported, as the hooks have them imported."""

LOADS_PLUGINS = """
import importlib, json, logging, os, signal, sys, threading

def state():
    return {
        "environ": dict(os.environ),
        "directory": os.getcwd(),
        "threads": threading.active_count(),
        "dtype": str(torch.get_default_dtype()),
        "device": torch.cuda.is_initialized(),
        "grad": torch.is_grad_enabled(),
        "matmul": torch.get_float32_matmul_precision(),
        "random": torch.initial_seed(),
        "handlers": len(logging.getLogger().handlers),
        "signals": [str(signal.getsignal(number)) for number in signal.Signals],
    }

def load_plugins():
    from sglang.srt.plugins import load_plugins
    load_plugins()

def load_package():  # as a worker of several tokenizers, which loads no plugins
    from sglang.srt.managers.multimodal_processor import import_processors
    import_processors("engine_ext.sglang.processors", overwrite=True)

def load(way):
    before, modules = state(), set(sys.modules)
    way()
    from sglang.srt.layers.rotary_embedding import MRotaryEmbedding
    from sglang.srt.model_loader import loader, utils
    return {
        "before": before,
        "after": state(),
        "new": sorted(set(sys.modules) - modules),
        "hooked": hasattr(utils.get_model_architecture, "__wrapped__"),
        "everywhere": loader.get_model_architecture is utils.get_model_architecture,
        "positions": [
            hasattr(getattr(MRotaryEmbedding, name), "__wrapped__")
            for name in ("get_rope_index", "get_rope_index_glm4v", "get_rope_index_ernie45")
        ],
    }

ways = [(name, load_plugins) for name in sys.argv[1:]] + [(sys.argv[-1], load_package)]
for name, way in ways:
    importlib.import_module(name)
    import torch
    sys.stdout.flush()
    if os.fork() == 0:  # what it loads, the next does not have
        print(json.dumps(load(way)), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0
"""


@pytest.fixture(scope="module")
def processes():
    """What loading the plugins did to each: forks of one process, as importing takes long."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOADS_PLUGINS, *PROCESSES.values()],
        capture_output=True,
        text=True,
        env={**os.environ, **SGLANG.cpu_environ},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return dict(zip([*PROCESSES, WORKER], found, strict=True))


@pytest.fixture(params=[*PROCESSES, WORKER])
def process(request, processes):
    return processes[request.param]


def test_the_hook_is_in_place(process):
    assert process["hooked"]
    assert process["everywhere"]


def test_rope_positions_are_hooked_where_the_extension_knows_them(process):
    assert process["positions"] == [True, True, False]


def test_nothing_else_has_changed_but_where_processes_without_plugins_look(process):
    before, after = process["before"], process["after"]
    set_by_sglang = {name: after["environ"].get(name) for name in SETS}
    ours = {EXTERNAL_VARIABLE: EXTERNAL_PACKAGE, PROCESSORS_VARIABLE: PROCESSOR_PACKAGE}
    assert after == {**before, "environ": {**before["environ"], **set_by_sglang, **ours}}


def test_no_model_is_imported(process):
    """The registry imports every model; torch was there before, by SGLang itself."""
    assert "sglang.srt.models.registry" not in process["new"]
    assert "torch" not in process["new"]
    assert "transformers" not in process["new"]
    assert not any(name.startswith("engine_ext.patch_embed") for name in process["new"])
