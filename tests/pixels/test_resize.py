"""Images resized by whole numbers: by every way the bytes that torch gives on a CPU."""

import importlib.util
import os
import subprocess
import sys

import pytest
import torch

from engine_ext.pixels.resize import resized
from engine_ext.pixels.resize.weights import weights_on
from evals.resized import differing, sizes

ways = sys.modules["engine_ext.pixels.resize.resized"]


@pytest.mark.parametrize(("size", "made"), list(sizes(100, 300)), ids=str)
def test_by_torch_no_byte_differs(size, made):
    assert differing("torch", size, made, "cpu") == 0


@pytest.mark.parametrize(
    ("way", "environ"),
    [("torch", {"ATEN_CPU_CAPABILITY": "default"}), ("triton", {"TRITON_INTERPRET": "1"})],
)
def test_nor_on_another_cpu_or_by_triton(way, environ):
    if importlib.util.find_spec(way) is None:
        pytest.skip(f"{way} is not installed")
    command = [sys.executable, "-m", "evals.resized", "--way", way, "--count", "20"]
    environ = {**os.environ, **environ}
    ended = subprocess.run(
        [*command, "--largest", "60"], env=environ, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"20 pairs of sizes, by {way}: no byte differs" in ended.stdout


KERNEL = {
    **dict.fromkeys(("image", "result"), "*u8"),
    "first": "*i32",
    "by_neighbour": "*i16",
    **dict.fromkeys(("length", "made", "inner", "neighbours", "half", "precision"), "i32"),
    "BLOCK": "constexpr",
}


@pytest.mark.parametrize("capability", [75, 90])
def test_the_kernel_compiles_for_a_gpu_once_for_all_sizes(capability):
    """Which need not be there."""
    triton = pytest.importorskip("triton")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from engine_ext.pixels.resize.by_triton import BLOCK, _kernel

    *sizes, block = _kernel.params
    assert all(each.do_not_specialize for each in sizes)
    source = ASTSource(_kernel, KERNEL, constexprs={(block.num,): BLOCK})
    assert triton.compile(source, target=GPUTarget("cuda", capability, 32)).asm["cubin"]


@pytest.fixture
def ask(monkeypatch):
    """Which ways are taken for a device that is no CPU, of modules of these functions."""

    def check(*functions):
        names = [f"tests.pixels.way{number}" for number in range(len(functions))]
        for name, rows in zip(names, functions, strict=True):
            monkeypatch.setitem(sys.modules, name, type(sys)(name))
            sys.modules[name].resize_rows = rows
        monkeypatch.setattr(ways, "WAYS", tuple(names))
        return ways._way.__wrapped__(torch.device("cpu"))

    return check


def right(image, made):
    from engine_ext.pixels.resize.by_torch import resize_rows

    return resize_rows(image, made)


def wrong(image, made):
    return right(image, made) ^ 1


def broken(image, made):
    raise RuntimeError("no kernel image is available for execution on the device")


def test_a_way_is_taken_that_gives_what_a_cpu_gives(ask):
    assert ask(right) is right
    assert not weights_on.cache_info().currsize  # nothing is kept where a model is loaded


def test_another_is_where_one_gives_something_else_or_fails(ask, caplog):
    assert ask(wrong, broken, right) is right
    assert "way0 resizes 3 of 3 images otherwise on cpu than a CPU does" in caplog.text
    assert "way1 on cpu: RuntimeError('no kernel image" in caplog.text


def test_none_is_where_none_does(ask, caplog):
    assert ask(wrong) is None
    assert "images are resized on the CPU, as cpu does not do it exactly" in caplog.text


def test_what_has_the_size_already_stays(monkeypatch):
    image = torch.zeros((4, 6, 3), dtype=torch.uint8)
    assert resized(image, 4, 6) is image
