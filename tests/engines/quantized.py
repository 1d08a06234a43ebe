"""Checkpoints with quantized linear layers, as each tool writes them: none names the projection."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evals import checkpoints
from evals.checkpoints.copies import copy_with

GROUP = 32
"""Inputs of a layer that share a scale, where 4 bits are left of a weight."""
BLOCK = 64
"""Rows and columns of fp8 that do; 128 where models are large."""
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
Tensors = dict[str, Tensor]


def int8(weight: Tensor) -> Tensors:
    scale = weight.abs().amax(dim=1, keepdim=True) / 127
    return {"weight": (weight / scale).round().to(torch.int8), "weight_scale": scale}


def int4(weight: Tensor) -> Tensors:
    levels, scale = _four_bits(weight)
    packed, shape = _packed(levels), torch.tensor(weight.shape)
    return {"weight_packed": packed, "weight_scale": scale.bfloat16(), "weight_shape": shape}


def awq(weight: Tensor) -> Tensors:
    levels, scale = _four_bits(weight)
    zeros = torch.full_like(scale, 8).int()
    return {
        "qweight": _packed(levels.T, AWQ_ORDER),
        "qzeros": _packed(zeros.T, AWQ_ORDER),
        "scales": scale.T.half(),
    }


def gptq(weight: Tensor) -> Tensors:
    levels, scale = _four_bits(weight)
    zeros = torch.full_like(scale, 7).int()  # one less than they are
    return {
        "qweight": _packed(levels).T,
        "qzeros": _packed(zeros.T),
        "scales": scale.T.half(),
        "g_idx": torch.arange(weight.shape[1], dtype=torch.int32) // GROUP,
    }


def fp8(weight: Tensor) -> Tensors:
    """In blocks, as the makers of Qwen-VL publish them."""
    scale = weight.abs().amax() / 448
    blocks = [size // BLOCK for size in weight.shape]
    values = (weight / scale).to(torch.float8_e4m3fn)
    return {"weight": values, "weight_scale_inv": scale.expand(blocks).clone()}


def modelopt(weight: Tensor) -> Tensors:
    scale = weight.abs().amax() / 448
    values = (weight / scale).to(torch.float8_e4m3fn)
    return {"weight": values, "weight_scale": scale, "input_scale": torch.tensor(1 / 64)}


def unchanged(weight: Tensor) -> Tensors:
    """For engines that quantise on loading, or refuse before it."""
    return {"weight": weight.bfloat16()}


def _compressed(form: str, weights: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    group = {
        "targets": ["Linear"],
        "weights": {"type": "int", "symmetric": True, **weights},
        **more,
    }
    return {
        "quant_method": "compressed-tensors",
        "format": form,
        "quantization_status": "compressed",
        "config_groups": {"group_0": group},
        "ignore": ["re:.*lm_head", "re:.*visual.*"],
    }


BYTES = {"num_bits": 8, "strategy": "channel", "dynamic": False}
INPUTS = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "token", "dynamic": True}
SKIPPED = ["lm_head", "visual"]
FORMATS: dict[str, tuple[Callable[[Tensor], Tensors], dict[str, Any]]] = {
    "compressed-tensors, int8 W8A8": (
        int8,
        _compressed("int-quantized", BYTES, input_activations=INPUTS),
    ),
    "compressed-tensors, int4 W4A16": (
        int4,
        _compressed("pack-quantized", {"num_bits": 4, "strategy": "group", "group_size": GROUP}),
    ),
    "AWQ": (
        awq,
        {
            "quant_method": "awq",
            "bits": 4,
            "group_size": GROUP,
            "zero_point": True,
            "version": "gemm",
            "modules_to_not_convert": SKIPPED,
        },
    ),
    "GPTQ": (
        gptq,
        {
            "quant_method": "gptq",
            "bits": 4,
            "group_size": GROUP,
            "sym": True,
            "desc_act": False,
            "lm_head": False,
            "dynamic": {"-:.*visual.*": {}},
        },
    ),
    "fp8": (
        fp8,
        {
            "quant_method": "fp8",
            "activation_scheme": "dynamic",
            "weight_block_size": [BLOCK, BLOCK],
            "modules_to_not_convert": SKIPPED,
        },
    ),
    "bitsandbytes": (
        unchanged,
        {
            "quant_method": "bitsandbytes",
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_compute_dtype": "bfloat16",
            "llm_int8_skip_modules": SKIPPED,
        },
    ),
    "torchao": (
        unchanged,
        {
            "quant_method": "torchao",
            "quant_type": {
                "default": {"_type": "Int8WeightOnlyConfig", "_version": 2, "_data": {}}
            },
        },
    ),
    "ModelOpt": (
        modelopt,
        {"quant_method": "modelopt", "quant_algo": "FP8", "ignore": ["lm_head", "*visual*"]},
    ),
}
"""What is kept of a layer's weight, and what the checkpoint says of it."""
WITH_TOWER = ", the tower too"
QUANTIZED = (*FORMATS, *(how + WITH_TOWER for how in list(FORMATS)[:3]))
"""Every format, and with the tower those that an engine takes on a CPU."""


def quantized(folder: Path, family: str, how: str) -> str:
    """A copy of ``family`` with a quantized language model, and tower where ``how`` says so.

    Args:
        how: of `FORMATS`, with ``WITH_TOWER`` or without.
    """
    layers, has_tower = how.removesuffix(WITH_TOWER), how.endswith(WITH_TOWER)
    kept, said = FORMATS[layers]

    def quantize(weights: Tensors) -> None:
        for name in [n for n in weights if _is_quantized(n, weights[n], has_tower)]:
            layer = name.removesuffix("weight")
            made = kept(weights.pop(name).float())
            weights.update({layer + part: value for part, value in made.items()})

    path = copy_with(
        checkpoints.path(family), folder / f"{family}-{how}".replace(" ", ""), quantize
    )
    config = json.loads((path / "config.json").read_text())
    config["quantization_config"] = _naming_no_tower(said) if has_tower else said
    (path / "config.json").write_text(json.dumps(config))
    return str(path)


def _naming_no_tower(said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: [one for one in value if "visual" not in one] if isinstance(value, list) else value
        for name, value in said.items()
    }


def _is_quantized(name: str, weight: Tensor, has_tower: bool) -> bool:
    if not name.endswith(".weight") or weight.dim() != 2:
        return False
    return ".layers." in name or (has_tower and "visual." in name and "pos_embed" not in name)


def _four_bits(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Levels from 0 to 15 of (outputs, inputs), of which 8 is zero, and a scale for each group."""
    groups = weight.unflatten(1, (-1, GROUP))
    scale = groups.abs().amax(dim=2) / 7
    levels = (groups / scale.unsqueeze(2)).round().clamp(-8, 7).int() + 8
    return levels.flatten(1), scale


def _packed(levels: Tensor, order: tuple[int, ...] = tuple(range(8))) -> Tensor:
    """Eight of the last dimension in each int32, the first of ``order`` lowest."""
    eights = levels.long().unflatten(-1, (-1, 8))[..., list(order)]
    bits = (eights << (4 * torch.arange(8))).sum(-1)
    return torch.where(bits < 2**31, bits, bits - 2**32).int()
