"""What stock runs, by version: the facts doctor and README state."""

from pathlib import Path

import pytest

from engine_ext.compatibility import (
    conv3d_is_slow,
    markdown_table,
    parse_version,
    stock_layer,
    table,
)

README = Path(__file__).parents[1] / "README.md"


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
    row = stock_layer("vllm", vllm)
    assert row.is_linear_on(torch, has_gpu=True) is linear_on_gpu
    assert row.is_linear_on(torch, has_gpu=False) is (row.layer == "Conv3dLayer")


def test_knows_nothing_of_versions_it_has_not_read():
    assert stock_layer("vllm", "0.1.0") is None
    assert stock_layer("another engine", "1.0") is None


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


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("0.32.0+cpu", (0, 32, 0)), ("0.11.1rc2", (0, 11, 1)), ("2.10", (2, 10)), ("dev", (0,))],
)
def test_reads_the_numbers_of_a_version(text, numbers):
    assert parse_version(text) == numbers


def test_the_readme_shows_this_table():
    assert markdown_table() in README.read_text()
