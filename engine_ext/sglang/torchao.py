"""``--torchao-config`` leaves convolutions out by their type; their replacements must be too."""

from __future__ import annotations

import functools
from typing import Any

from torch import nn

from engine_ext.patch_embed.linear import PatchLinear


@functools.cache
def leave_projections_out() -> None:
    """Have SGLang quantise no ``PatchLinear``, once in this process.

    ``proj_filter_conv3d`` takes every other module with "proj" in its name, and torchao asserts on
    a weight with five dimensions (0.5.8, 0.5.9). Without effect where SGLang has no such filter.
    """
    try:
        from sglang.srt.layers import torchao_utils
    except ImportError:  # 0.5.23 has no torchao
        return
    stock = getattr(torchao_utils, "proj_filter_conv3d", None)
    if stock is None:
        return

    @functools.wraps(stock)
    def proj_filter_conv3d(module: nn.Module, fqn: str) -> Any:
        return not isinstance(module, PatchLinear) and stock(module, fqn)

    torchao_utils.proj_filter_conv3d = proj_filter_conv3d
