"""Towers that no tiny checkpoint has: MiniMax-M3's, and one of the transformers backend."""

import pytest
import torch
from torch import nn

from engine_ext.patch_embed import PatchConv3d
from engine_ext.replacement import Identity, Replacement, check_loaded
from engine_ext.sglang.log import logger
from engine_ext.sglang.overrides import conv_types
from evals import checkpoints
from evals.serving.sglang_loader import load
from tests.engines.describe import describe


@pytest.fixture(scope="module")
def build_minimax():
    """Builds MiniMax-M3's vision tower at tiny size with the same random weights."""
    common = pytest.importorskip("sglang.srt.models.minimax_vl_common", reason="from 0.5.16 on")
    load(str(checkpoints.path("qwen2_vl")))  # starts the parallel state that its layers ask for
    config = common.CLIPVisionConfig.from_dict(
        {
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_attention_heads": 2,
            "num_hidden_layers": 2,
            "patch_size": 14,
            "image_size": 56,
            "num_channels": 3,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-5,
            "position_embedding_type": "rope",
            "rope_mode": "3d",
            "rope_theta": 10000.0,
            "vision_segment_max_frames": None,
            "img_token_compression_config": {"temporal_patch_size": 2, "spatial_merge_size": 2},
        }
    )

    def build():
        torch.manual_seed(0)
        tower = common.MiniMaxVLVisionModel(config=config, text_hidden_size=64)
        for parameter in tower.parameters():
            nn.init.normal_(parameter, std=0.05)
        return nn.ModuleDict({"vision_tower": tower.bfloat16().eval()})

    return build


def test_the_projection_of_minimax_m3_is_found_replaced_and_verified(build_minimax, status_lines):
    stock, ours = build_minimax(), build_minimax()
    name = "vision_tower.vision_model.embeddings.patch_embedding"
    assert isinstance(stock.get_submodule(name), nn.Conv3d)
    identity = Identity("sglang", "", "MiniMaxM3SparseForConditionalGeneration", ("linear",))
    Replacement(ours, conv_types(), identity, logger, everywhere=False)
    projection = ours.get_submodule(name)
    assert isinstance(projection, PatchConv3d)
    ours.load_state_dict(stock.state_dict())
    check_loaded(ours)
    (line,) = status_lines()
    assert [module["name"] for module in line["modules"]] == [name]
    assert line["modules"][0]["difference"] < 1e-9

    # This tower takes bf16 only.
    patches, grid = torch.randn(32, 3 * 2 * 14 * 14, dtype=torch.bfloat16), [[1, 4, 8]]
    with torch.no_grad():
        found, expected = (model["vision_tower"](patches, grid) for model in (ours, stock))
    assert torch.isfinite(expected).all()
    assert (found - expected).norm() / expected.norm() < 2e-2


def test_the_projection_of_the_transformers_backend_is_replaced_by_default(extended, status_lines):
    from sglang.srt.models.registry import ModelRegistry

    if "TransformersMultiModalForCausalLM" not in ModelRegistry.models:
        pytest.skip("the transformers backend of this SGLang takes no images")
    model = str(checkpoints.path("qwen2_5_vl"))
    stock = load(model, model_impl="transformers", dtype="float32")
    with extended(named=""):
        ours = load(model, model_impl="transformers", dtype="float32")
    found, expected = describe(ours), describe(stock)
    assert expected["convs"] == ["model.visual.patch_embed.proj"]
    assert found["convs"] == []
    assert found["linear"] == ["model.visual.patch_embed.proj"]
    (line,) = status_lines()
    assert line["architecture"] == "TransformersMultiModalForCausalLM"
    assert line["modules"][0]["replaced"] == "torch.nn.modules.conv.Conv3d"
    assert line["modules"][0]["difference"] < 1e-9
    patches, grid = torch.randn(16, 3 * 2 * 14 * 14), torch.tensor([[1, 4, 4]])
    with torch.no_grad():
        found, expected = (m.model.get_image_features(patches, grid) for m in (ours, stock))
    for ours_of_one, expected_of_one in zip(
        found.pooler_output, expected.pooler_output, strict=True
    ):
        torch.testing.assert_close(ours_of_one, expected_of_one, rtol=1e-5, atol=1e-5)
