"""The example of docs/mrope.md runs, on transformers 4 and 5."""

import re
from pathlib import Path

import transformers

from engine_ext.mrope import qwen3_vl_get_rope_index

PAGE = Path(__file__).parents[2] / "docs" / "mrope.md"


def test_the_example_runs(monkeypatch):
    own = transformers.Qwen3VLModel
    monkeypatch.setattr(own, "get_rope_index", own.get_rope_index)  # and puts it back
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names = {}
    exec(example, names)
    assert own.get_rope_index is qwen3_vl_get_rope_index
    time, height, width = names["positions"][:, 0].tolist()
    assert time == [0, 1, 2, 2, 2, 2, 4, 5]
    assert height == [0, 1, 2, 2, 3, 3, 4, 5]
    assert width == [0, 1, 2, 3, 2, 3, 4, 5]
    assert names["deltas"].tolist() == [[-2]]
