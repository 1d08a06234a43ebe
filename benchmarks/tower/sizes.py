"""Vision towers of released models: their sizes, with random weights."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

DTYPE = "bfloat16"
SIMILAR = 0.999  # cosine of the outputs, transformers #45750
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
    "Qwen2.5-VL-7B": {
        "model_type": "qwen2_5_vl",
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "depth": 32,
        "num_heads": 16,
        "patch_size": 14,
        "out_hidden_size": 3584,
        "fullatt_block_indexes": [7, 15, 23, 31],
        "window_size": 112,
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

ON_ITS_OWN = ("Qwen3-VL-8B", "GLM-4.1V-9B")
"""What the benchmarks of towers take by default."""


def config(tower: str) -> Any:
    """The vision configuration that transformers builds it from."""
    from transformers import AutoConfig

    settings = dict(TOWERS[tower])
    family = AutoConfig.for_model(settings.pop("model_type"))
    return type(family.vision_config)(**settings)


def empty(tower: str, device: str, attention: str) -> nn.Module:
    """The tower in memory of ``device``, its weights as they were found there.

    Args:
        attention: `eager`, `sdpa` or `flash_attention_2`, as transformers names them.
    """
    built = config(tower)
    with torch.device("meta"):
        model = _class_of(built)._from_config(
            built, dtype=getattr(torch, DTYPE), attn_implementation=attention
        )
    found: nn.Module = model.to_empty(device=device).eval().requires_grad_(False)
    return found


def _class_of(built: Any) -> Any:
    """The model whose configuration this is; not every tower is known to ``AutoModel``."""
    modeling = import_module(type(built).__module__.replace(".configuration_", ".modeling_"))
    return next(
        each
        for each in vars(modeling).values()
        if isinstance(each, type) and getattr(each, "config_class", None) is type(built)
    )


def build(tower: str, device: str, attention: str) -> nn.Module:
    """The tower with small random weights."""
    torch.manual_seed(0)
    model = empty(tower, device, attention)
    for parameter in model.parameters():
        parameter.copy_(_noise(parameter))
    for name, buffer in model.named_buffers():
        if name.endswith("inv_freq"):  # never in a checkpoint: `to_empty` has left it as it was
            steps = torch.arange(buffer.numel(), device=device) / buffer.numel()
            buffer.copy_(10000.0**-steps)
    return model


def _noise(like: Tensor, length: int = 1_000_003) -> Tensor:
    """Of a standard deviation of 0.02; drawn once and repeated where it takes more than a prime."""
    drawn = 0.02 * torch.randn(min(length, like.numel()), device=like.device)
    times = -(-like.numel() // len(drawn))
    return drawn.to(like.dtype).repeat(times)[: like.numel()].view(like.shape)


def clips(tower: str, count: int, frames: int, side: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Patches (N, K) of ``count`` clips, and their grids (n, 3): one for each two frames.

    Args:
        frames: of pixels in a clip.
        side: pixels along each side, divisible by the patch and the merge size.
    """
    patch = TOWERS[tower]["patch_size"]
    grids = torch.tensor([(1, side // patch, side // patch)] * (count * frames // 2))
    patches = torch.randn(int(grids.prod(1).sum()), 3 * 2 * patch * patch)
    return patches.to(like.device, like.dtype), grids.to(like.device)


def dissimilarity(expected: Tensor, found: Tensor) -> float:
    """One less the least cosine of an output token.

    Raises:
        ArithmeticError: the towers do not agree.
    """
    cosine = nn.functional.cosine_similarity(expected.double(), found.double(), dim=-1).min()
    if not cosine >= SIMILAR:
        raise ArithmeticError(f"towers agree to a cosine of {cosine:.4f}, expected {SIMILAR}")
    return float(1 - cosine)
