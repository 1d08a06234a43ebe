"""A weight loader for ``--custom-weight-loader``: NaN keeps the value that is there.

Trainers send what an optimiser step has changed in a tensor of full shape, and NaN elsewhere
(sgl-project/sglang#26519, THUDM/slime#1806).
"""

from __future__ import annotations

from typing import Any

LOADER = f"{__name__}.load"


def load(model: Any, named: list[tuple[str, Any]]) -> None:
    """Load named tensors with ``Tensor.copy_`` replaced meanwhile, as those trainers do."""
    import torch

    copy = torch.Tensor.copy_

    def masked(self: Any, source: Any, *args: Any, **kwargs: Any) -> Any:
        kept = torch.where(source.isnan(), self.to(source.dtype), source)
        return copy(self, kept, *args, **kwargs)

    torch.Tensor.copy_ = masked
    try:
        model.load_weights(named)
    finally:
        torch.Tensor.copy_ = copy
