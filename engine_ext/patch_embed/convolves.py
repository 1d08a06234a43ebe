"""Does a layer convolve, or has whoever wrote it taken the product already?

Engines have layers of their own that multiply or convolve by version, platform and setting. They
are asked rather than read: run on a tensor without data, a layer says by what it calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode


def convolves(layer: nn.Module) -> bool:
    """Whether ``layer`` calls a convolution for one patch, with its weights on the meta device.

    A layer that cannot be run so is taken for one that does not: it is nobody's ``Conv3d``.
    """
    conv: Any = layer
    patch = torch.empty(
        (1, conv.in_channels, *conv.kernel_size), dtype=conv.weight.dtype, device="meta"
    )
    weights = {name: value.detach().to("meta") for name, value in layer.named_parameters()}
    seen = _Convolutions()
    try:
        with torch.no_grad(), _eagerly(), seen:
            functional_call(layer, weights, (patch,))
    except Exception:
        return False
    return seen.found


class _Convolutions(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes whether an operation that is called is a convolution."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found = False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        self.found |= "conv" in func.overloadpacket.__name__
        return func(*args, **(kwargs or {}))


def _eagerly() -> AbstractContextManager[Any]:
    """Nothing is compiled for a look (torch 2.6 and newer can say so)."""
    stance = getattr(torch.compiler, "set_stance", None)
    return stance("force_eager") if stance is not None else nullcontext()
