"""The last weights of each projection that verified, to put back when an update is refused."""

from __future__ import annotations

import torch
from torch import Tensor

from engine_ext.patch_embed import PatchLinear


class LastGood:
    """Copies in host memory: the 4 to 8 MB of a projection are not missed there."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, Tensor]] = {}

    def keep(self, name: str, projection: PatchLinear) -> None:
        """Remember the weights of a projection that has just verified."""
        self._kept[name] = {
            parameter_name: parameter.detach().to("cpu", copy=True)
            for parameter_name, parameter in projection.named_parameters()
        }

    def put_back(self, name: str, projection: PatchLinear) -> bool:
        """Restore them in place; False where none have verified yet."""
        if name not in self._kept:
            return False
        with torch.no_grad():
            for parameter_name, parameter in projection.named_parameters():
                parameter.data.copy_(self._kept[name][parameter_name])
        return True
