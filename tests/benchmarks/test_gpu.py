"""One command for all that a GPU can tell: how it ends."""

import pytest
import torch

from benchmarks.gpu import resize
from benchmarks.gpu.__main__ import FAILED, NO_GPU, PARTS, main


@pytest.fixture
def run(monkeypatch, tmp_path):
    def call(*options):
        monkeypatch.setattr("sys.argv", ["gpu", "--results", str(tmp_path), *options])
        return main()

    return call


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_what_to_do(run, capsys):
    assert run() == NO_GPU
    assert "run this where one is visible, or rehearse with --device cpu" in capsys.readouterr().err


def test_no_part_begins_when_the_time_is_up(run, capsys):
    assert run("--device", "cpu", "--minutes", "0") == FAILED
    said = capsys.readouterr()
    assert said.out.count("not begun: the time is up") == len(PARTS)
    assert f"not done: {', '.join(PARTS)}; what was measured is written" in said.err


def test_every_way_of_resizing_is_compared_before_it_is_timed():
    image = torch.randint(256, (40, 60, 3), dtype=torch.uint8)
    calls, differences = resize.ways(image, (28, 84), "cpu")
    assert differences == {resize.CPU: 0, resize.WHOLE: 0}
    assert all(call().shape == (28, 84, 3) for call in calls.values())
