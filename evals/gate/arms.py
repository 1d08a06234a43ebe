"""The two arms: a server each, started here or already running, and where it runs.

The baseline is the engine with ``ENGINE_EXT=off``: every other plugin of the operator stays, so
the extension is all that differs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from engine_ext import status
from engine_ext.features import OFF
from evals.gate.alike import MODEL_PATH
from evals.gate.client import client, refused
from evals.serving.engines import ENGINES
from evals.serving.servers import running

BASELINE, CANDIDATE = "baseline", "candidate"
ARMS = (BASELINE, CANDIDATE)
VARIABLES = ("ENGINE_EXT", "CUDA_VISIBLE_DEVICES", "SGLANG_EXTERNAL_MODEL_PACKAGE", "VLLM_PLUGINS")
VERSIONS = """
import importlib.metadata as metadata, json, platform
found = {"python": platform.python_version()}
for name in ("vllm", "sglang", "torch", "transformers", "engine-ext"):
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
try:
    import torch
    found["cudnn"] = torch.backends.cudnn.version()
    count = torch.cuda.device_count()
    found["devices"] = [torch.cuda.get_device_name(i) for i in range(count)] or ["CPU"]
except Exception as error:
    found["devices"] = [repr(error)]
print(json.dumps(found))
"""


class ArmFailed(RuntimeError):
    """A server that was named does not answer."""


@dataclass(frozen=True)
class Endpoint:
    """A server to ask: its OpenAI API with ``/v1``, its model, and whether it still runs."""

    url: str
    model: str
    is_alive: Callable[[], bool]
    environment: Mapping[str, Any]


@contextmanager
def started(
    options: argparse.Namespace, name: str, status_file: Path, log: Path
) -> Iterator[Endpoint]:
    """The engine's stock command over the model of an arm.

    Raises:
        ArmFailed: it wants another key.
        ServerFailed: it did not come up; the message ends with its last log lines.
    """
    engine = ENGINES[options.engine].of(options.engine_python)
    model = (name == CANDIDATE and options.candidate_model) or options.model
    settings, environ = (engine.cpu_settings, engine.cpu_environ) if options.cpu else ({}, {})
    environ = {
        **environ,
        "ENGINE_EXT": OFF if name == BASELINE else options.features or "",
        status.VARIABLE: str(status_file),
    }
    status_file.unlink(missing_ok=True)
    served = Path(model).name
    command = engine.launch(model, served, options.port, settings) + options.engine_arguments
    with running(command, served, options.port, log, environ, options.start_timeout) as server:
        with client(server.url, options.api_key_env) as http:
            _models(http, server.url, options.api_key_env)  # that it is up it says without a key
        versions = [str(options.engine_python), "-c", VERSIONS]
        ran = subprocess.run(versions, capture_output=True, text=True, check=True)
        inherited = {**os.environ, **environ}
        environment = {
            MODEL_PATH: model,
            "engine_arguments": options.engine_arguments,
            "command": " ".join(command),
            **{variable: inherited[variable] for variable in VARIABLES if variable in inherited},
            **json.loads(ran.stdout.splitlines()[-1]),
        }
        yield Endpoint(f"{server.url}/v1", server.model, server.is_running, environment)


@contextmanager
def remote(url: str, model: str | None, key: str) -> Iterator[Endpoint]:
    """A server that already runs; ``key`` is the environment variable that holds its key.

    Raises:
        ArmFailed: it does not answer, or serves several models and none is named.
    """
    base = url.rstrip("/").removesuffix("/v1")
    with client(base, key) as http:
        paths = _models(http, base, key)
        if model is None and len(paths) != 1:
            raise ArmFailed(f"{base} serves {', '.join(paths)}: name one with --served-model-name")
        model = model or next(iter(paths))
        path = {MODEL_PATH: paths[model]} if paths.get(model) else {}
        yield Endpoint(
            url=f"{base}/v1",
            model=model,
            is_alive=lambda: True,
            environment={"url": base, **path, **_told(http, base)},
        )


def _models(http: httpx.Client, base: str, key: str) -> dict[str, str | None]:
    """The names of a server's models, with the path of each where it is told (vLLM's `root`).

    Raises:
        ArmFailed: it does not answer, or wants another key.
    """
    try:
        response = http.get(f"{base}/v1/models")
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise ArmFailed(refused(base, key))
        response.raise_for_status()
        return {one["id"]: one.get("root") for one in response.json()["data"]}
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArmFailed(f"no OpenAI API at {base}/v1: {error!r}") from error


def _told(http: httpx.Client, base: str) -> dict[str, Any]:
    """What the server tells of itself: vLLM its version, SGLang that and its arguments."""
    for path, names in (
        ("/version", ("version",)),
        ("/get_server_info", ("version", MODEL_PATH, "dtype", "tp_size")),
    ):
        try:
            response = http.get(f"{base}{path}")
            told = response.json() if response.is_success else {}
        except (httpx.HTTPError, ValueError):
            continue
        if isinstance(told, dict) and told:
            return {name: told[name] for name in names if name in told}
    return {}
