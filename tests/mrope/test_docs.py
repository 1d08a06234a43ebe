"""What docs/mrope.md shows: its example runs, on transformers 4 and 5, and its error is raised."""

import re
from types import SimpleNamespace

import pytest
import torch
import transformers

from engine_ext.mrope import BadSpans, qwen3_vl_get_rope_index
from evals import PROJECT
from tests.samples import sample

PAGE = "docs/mrope.md"


def test_the_example_runs(monkeypatch):
    own = transformers.Qwen3VLModel
    monkeypatch.setattr(own, "get_rope_index", own.get_rope_index)  # and puts it back
    (example,) = re.findall(r"```python\n(.*?)```", (PROJECT / PAGE).read_text(), re.DOTALL)
    names = {}
    exec(example, names)
    assert own.get_rope_index is qwen3_vl_get_rope_index
    time, height, width = names["positions"][:, 0].tolist()
    assert time == [0, 1, 2, 2, 2, 2, 4, 5]
    assert height == [0, 1, 2, 2, 3, 3, 4, 5]
    assert width == [0, 1, 2, 3, 2, 3, 4, 5]
    assert names["deltas"].tolist() == [[-2]]


def test_the_error_is_that_of_an_image_cut_in_its_middle():
    config = transformers.Qwen3VLConfig()
    row = [11] * 40 + [config.vision_start_token_id] + [config.image_token_id] * 480
    ids = torch.tensor([row] * 8)
    ids[3, -2:] = 11
    with pytest.raises(BadSpans) as error:
        qwen3_vl_get_rope_index(
            SimpleNamespace(config=config), ids, torch.tensor([[1, 40, 48]] * 8)
        )
    assert f"BadSpans: {error.value}" == " ".join(sample(PAGE, "misfit"))
