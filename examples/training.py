"""Train a vision-language model whose patch projection is a matrix product.

    python examples/training.py                      # a tiny Qwen3-VL of random weights, on a CPU
    python examples/training.py Qwen/Qwen3-VL-2B-Instruct

Two lines are the extension's: `linearize`, and the rope positions. Everything else is transformers.
"""

from __future__ import annotations

import sys

import torch
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLModel

import engine_ext
from engine_ext.mrope import qwen3_vl_get_rope_index

STEPS = 3
GRID = (1, 8, 8)  # frames, rows and columns of patches


def tiny() -> Qwen3VLForConditionalGeneration:
    vision = {"depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 4}
    vision |= {"out_hidden_size": 64, "deepstack_visual_indexes": [0]}
    text = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "head_dim": 16}
    text |= {"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 200}
    text |= {"rope_scaling": {"rope_type": "default", "mrope_section": [4, 2, 2]}}
    tokens = {"image_token_id": 190, "video_token_id": 191}
    tokens |= {"vision_start_token_id": 192, "vision_end_token_id": 193}
    config = Qwen3VLConfig(text_config=text, vision_config=vision, **tokens)
    return Qwen3VLForConditionalGeneration(config)


def batch(config: Qwen3VLConfig) -> dict[str, torch.Tensor]:
    """One prompt with one image of random pixels, as a processor would give it."""
    vision = config.vision_config
    frames, rows, columns = GRID
    patch = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    tokens = frames * rows * columns // vision.spatial_merge_size**2
    image = [config.vision_start_token_id, *[config.image_token_id] * tokens]
    ids = torch.tensor([[11, *image, config.vision_end_token_id, 12, 13, 14]])
    return {
        "input_ids": ids,
        "labels": ids,
        "mm_token_type_ids": (ids == config.image_token_id).long(),
        "pixel_values": torch.randn(frames * rows * columns, patch),
        "image_grid_thw": torch.tensor([GRID]),
    }


def main() -> None:
    torch.manual_seed(0)
    named = sys.argv[1:]
    model = Qwen3VLForConditionalGeneration.from_pretrained(*named) if named else tiny()
    print(engine_ext.linearize(model))
    Qwen3VLModel.get_rope_index = qwen3_vl_get_rope_index
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    inputs = {name: tensor.to(model.device) for name, tensor in batch(model.config).items()}
    for step in range(STEPS):
        loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        print(f"step {step}: loss {loss.item():.4f}")


if __name__ == "__main__":
    main()
