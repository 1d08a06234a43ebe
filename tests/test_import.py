"""Importing the package is light: engines do it in every process."""

import subprocess
import sys

import pytest

import engine_ext


def modules_after(statement):
    code = f"{statement}; import sys; print(*sys.modules)"
    return set(subprocess.check_output([sys.executable, "-c", code], text=True).split())


@pytest.mark.parametrize(
    "statement",
    [
        "import engine_ext",
        "import engine_ext.cli",
        "import engine_ext.sglang.plugin",
        "import engine_ext.sglang.architectures",
        "import engine_ext.vllm.plugin",
        "import engine_ext.vllm.architectures",
    ],
)
def test_loads_neither_torch_nor_an_engine(statement):
    loaded = modules_after(statement)
    assert "engine_ext" in loaded
    assert not loaded & {"torch", "numpy", "vllm", "sglang", "transformers"}


def test_the_core_loads_no_engine():
    core = ("patch_embed", "mrope", "pixels", "pixels.processors", "pixels.videos", "replacement")
    loaded = modules_after(f"import {', '.join(f'engine_ext.{name}' for name in core)}")
    assert "torch" in loaded
    assert not loaded & {"vllm", "sglang", "transformers"}


def test_every_public_name_is_there():
    for name in engine_ext.__all__:
        assert getattr(engine_ext, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        engine_ext.nothing  # noqa: B018
