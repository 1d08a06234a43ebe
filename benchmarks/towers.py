"""Vision towers of released models: their sizes, with random weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

TOWERS: dict[str, dict[str, Any]] = {
    "Qwen3-VL-8B": {
        "model_type": "qwen3_vl",
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "depth": 27,
        "num_heads": 16,
        "patch_size": 16,
        "out_hidden_size": 4096,
        "deepstack_visual_indexes": [8, 16, 24],
    },
    "GLM-4.1V-9B": {
        "model_type": "glm4v",
        "hidden_size": 1536,
        "intermediate_size": 13696,
        "depth": 24,
        "num_heads": 12,
        "patch_size": 14,
        "out_hidden_size": 4096,
    },
}


def config(tower: str) -> Any:
    """The vision configuration that transformers builds it from."""
    from transformers import AutoConfig

    settings = dict(TOWERS[tower])
    family = AutoConfig.for_model(settings.pop("model_type"))
    return type(family.vision_config)(**settings)


def build(tower: str, device: str, dtype: torch.dtype, attention: str) -> nn.Module:
    """The tower in memory of ``device``, its weights small and random.

    Args:
        attention: `eager`, `sdpa` or `flash_attention_2`, as transformers names them.
    """
    from transformers import AutoModel

    torch.manual_seed(0)
    built = config(tower)
    with torch.device("meta"):
        model = AutoModel.from_config(built, dtype=dtype, attn_implementation=attention)
    model = model.to_empty(device=device).eval().requires_grad_(False)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.02)
    for name, buffer in model.named_buffers():
        if name.endswith("inv_freq"):  # never in a checkpoint: `to_empty` has left it as it was
            steps = torch.arange(buffer.numel(), device=device) / buffer.numel()
            buffer.copy_(10000.0**-steps)
    found: nn.Module = model
    return found


def clips(tower: str, count: int, frames: int, side: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Patches (N, K) of ``count`` clips, and their grids (count, 3).

    Args:
        frames: of pixels; a grid has half as many.
        side: pixels along each side, divisible by the patch and the merge size.
    """
    patch = TOWERS[tower]["patch_size"]
    grid = (frames // 2, side // patch, side // patch)
    patches = torch.randn(count * grid[0] * grid[1] * grid[2], 3 * 2 * patch * patch)
    return patches.to(like.device, like.dtype), torch.tensor([grid] * count, device=like.device)
