"""Rope positions of a batch that lies on a GPU: those of the same batch on the CPU."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks.mrope.prompts import CASES
from engine_ext.mrope import qwen2_5_vl_rope_index, qwen3_vl_get_rope_index

FUNCTIONS = {"qwen3_vl": qwen3_vl_get_rope_index, "qwen2_5_vl": qwen2_5_vl_rope_index}


@pytest.mark.parametrize("case", ["1 image", "16 images", "8 videos"])
@pytest.mark.parametrize("family", FUNCTIONS)
def test_positions_of_a_batch_on_the_gpu(family, case):
    prompt = next(each for each in CASES[case]() if each.family == family)
    vision = SimpleNamespace(spatial_merge_size=2, tokens_per_second=2)
    tokens = {
        "image_token_id": prompt.tokens.image,
        "video_token_id": prompt.tokens.video,
        "vision_start_token_id": prompt.tokens.vision_start,
    }
    model = SimpleNamespace(config=SimpleNamespace(vision_config=vision, **tokens))
    ids = torch.from_numpy(np.stack([prompt.ids] * 4))
    grids = {
        f"{kind}_grid_thw": torch.from_numpy(np.concatenate([found] * 4))
        for kind, found in (("image", prompt.images), ("video", prompt.videos))
        if len(found)
    }
    expected = FUNCTIONS[family](model, ids, **grids)
    there = {name: grid.cuda() for name, grid in grids.items()}
    found = FUNCTIONS[family](model, ids.cuda(), **there)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.is_cuda
        assert torch.equal(ours.cpu(), theirs)
