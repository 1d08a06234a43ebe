"""The last weights of each projection that served, to put back when an update is refused."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engine_ext.patch_embed.linear import PatchLinear


class LastGood:
    """Copies in host memory: the 4 to 8 MB of a projection are not missed there."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, Tensor]] = {}

    def keep(self, projections: Mapping[str, PatchLinear]) -> None:
        """Remember the weights of projections that serve from now on."""
        self._kept = {
            name: {
                leaf: parameter.detach().to("cpu", copy=True)
                for leaf, parameter in projection.named_parameters()
            }
            for name, projection in projections.items()
        }

    def put_back(self, projections: Mapping[str, PatchLinear]) -> bool:
        """Restore them in place; False where none have served yet."""
        with torch.no_grad():
            for name, kept in self._kept.items():
                for leaf, parameter in projections[name].named_parameters():
                    if (parameter.shape, parameter.dtype) != (kept[leaf].shape, kept[leaf].dtype):
                        parameter.data = torch.empty_like(kept[leaf], device=parameter.device)
                    parameter.data.copy_(kept[leaf])
        return bool(self._kept)
