"""The vision towers of transformers at their real widths: linearized against stock."""

import copy

import pytest
import torch

import engine_ext
from benchmarks.tower.sizes import TOWERS, build, clips, dissimilarity
from engine_ext.patch_embed import PatchConv3d

DEPTH = 4  # blocks: enough for what follows a projection to have its say

TOWERS_HERE = {
    **TOWERS,
    "Qwen2-VL-7B": {
        "model_type": "qwen2_vl",
        "embed_dim": 1280,
        "hidden_size": 3584,
        "depth": 32,
        "num_heads": 16,
        "patch_size": 14,
    },
}


@pytest.fixture(params=TOWERS_HERE)
def tower(request, monkeypatch):
    settings = dict(TOWERS_HERE[request.param])
    settings["depth"] = DEPTH
    for name in ("deepstack_visual_indexes", "fullatt_block_indexes"):
        if name in settings:
            settings[name] = [1, 2, 3]
    monkeypatch.setitem(TOWERS, request.param, settings)
    return request.param


@torch.inference_mode()
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_gives_what_stock_gives(tower, attention):
    stock = build(tower, "cuda", attention)
    ours = copy.deepcopy(stock)
    report = engine_ext.linearize(ours)
    assert [finding.name for finding in report.replaced] == ["patch_embed.proj"]
    assert type(ours.patch_embed.proj) is PatchConv3d
    given = clips(tower, 1, 4, 448, next(ours.parameters()))
    expected, found = (output(model(*given)) for model in (stock, ours))
    assert dissimilarity(expected, found) < 1e-3


def output(made):
    return made if isinstance(made, torch.Tensor) else made[0]
