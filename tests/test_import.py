"""Importing the package is light: engines do it in every process."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

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
    core = ("patch_embed", "mrope", "pixels", "pixels.processors", "replacement")
    loaded = modules_after(f"import {', '.join(f'engine_ext.{name}' for name in core)}")
    assert "torch" in loaded
    assert not loaded & {"vllm", "sglang", "transformers"}


def test_every_public_name_is_there():
    for name in engine_ext.__all__:
        assert getattr(engine_ext, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        engine_ext.nothing  # noqa: B018


def imports():
    """Each module of the package, and those of the package that it imports at any place."""
    root = Path(engine_ext.__file__).parent
    files = {
        ".".join(("engine_ext", *file.relative_to(root).with_suffix("").parts)): file
        for file in root.rglob("*.py")
    }
    files = {name.removesuffix(".__init__"): file for name, file in files.items()}
    for name, file in files.items():
        named = {
            one if one in files else str(node.module)
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.ImportFrom)
            for one in (f"{node.module}.{alias.name}" for alias in node.names)
        }
        yield name, (named & files.keys()) - {name}


def test_no_two_modules_import_each_other():
    list(TopologicalSorter(dict(imports())).static_order())  # raises CycleError


def test_what_is_below_the_adapters_imports_none_of_them():
    above = ("engine_ext.sglang", "engine_ext.vllm", "engine_ext.doctor", "engine_ext.cli")
    above = (*above, "engine_ext.__main__")
    for name, named in imports():
        if not name.startswith(above):
            assert not [one for one in named if one.startswith(above)], name
        for adapter, other in (above[:2], above[1::-1]):
            if name.startswith(adapter):
                assert not [one for one in named if one.startswith(other)], name
