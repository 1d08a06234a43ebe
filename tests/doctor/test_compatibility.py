"""What stock runs, by version: the facts doctor and README state."""

import pytest

from engine_ext.doctor.compatibility import (
    LAYERS,
    conv3d_is_slow,
    stock_range,
    table,
)
from engine_ext.versions import parse_version


@pytest.mark.parametrize(
    ("vllm", "torch", "linear_on_gpu"),
    [
        ("0.11.0", "2.8.0", False),
        ("0.11.1", "2.9.0", True),
        ("0.13.0", "2.9.1", False),
        ("0.14.1", "2.9.1+cu128", True),
        ("0.18.1", "2.10.0", False),
        ("0.19.0", "2.10.0", True),
        ("0.32.0", "2.13.0+cu130", True),
    ],
)
def test_knows_where_vllm_computes_a_matrix_product(vllm, torch, linear_on_gpu):
    row = stock_range("vllm", vllm)
    (layer,) = {layer for models, layer in row.layers.items() if "Qwen3-VL" in models}
    assert row.is_linear(layer, torch, has_gpu=True) is linear_on_gpu
    assert row.is_linear(layer, torch, has_gpu=False) is (layer == "Conv3dLayer")


@pytest.mark.parametrize(
    ("sglang", "models", "linear"),
    [
        ("0.5.1", "Qwen2-VL", False),
        ("0.5.9", "Qwen3-VL, Qwen3.5, Qwen3-Omni", False),
        ("0.5.10.post1", "Qwen3-VL, Qwen3.5, Qwen3-Omni", True),
        ("0.5.18", "Qwen2.5-VL", False),
        ("0.5.19", "Qwen2.5-VL", True),
        ("0.5.23", "MiniMax-M3", False),
        ("0.5.23", "MiMo-VL", True),
        ("0.5.23", "transformers backend", False),
    ],
)
def test_knows_where_sglang_computes_a_matrix_product(sglang, models, linear):
    row = stock_range("sglang", sglang)
    assert row.is_linear(row.layers[models], "2.13.0", has_gpu=True) is linear


def test_knows_nothing_of_versions_it_has_not_read():
    assert stock_range("vllm", "0.1.0") is None
    assert stock_range("another engine", "1.0") is None


@pytest.mark.parametrize(
    ("torch", "cudnn", "slow"),
    [
        ("2.8.0", "9.10.2", False),
        ("2.9.1", "9.10.2", True),
        ("2.10.0+cu128", "9.8.0", True),
        ("2.10.0", "9.15.0", False),
        ("2.11.0", "9.19.0", False),
        ("2.10.0", None, False),
    ],
)
def test_knows_where_a_conv3d_is_slow(torch, cudnn, slow):
    assert conv3d_is_slow(torch, cudnn) is slow


def test_the_ranges_of_an_engine_follow_each_other():
    for engine in {row.engine for row in table()}:
        rows = [row for row in table() if row.engine == engine]
        assert [row.before for row in rows[:-1]] == [row.since for row in rows[1:]]
        assert rows[-1].before is None
        assert all(layer in LAYERS for row in rows for layer in row.layers.values())


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("0.32.0+cpu", (0, 32, 0)), ("0.11.1rc2", (0, 11, 1)), ("2.10", (2, 10)), ("dev", (0,))],
)
def test_reads_the_numbers_of_a_version(text, numbers):
    assert parse_version(text) == numbers
