"""Sealing hangs on what SGLang calls when weights have arrived.

``process_weights_after_loading`` runs for each module that has a ``quant_method``, of whatever
class: after the first load and (0.5.23) after each update of the weights. The loaders of sharded
states and, up to 0.5.13, of dummy weights call it before they fill the model; but every loader
ends by ``model.eval()``, where the override seals what is left.
"""

from __future__ import annotations

from torch import nn

from engine_ext.patch_embed.linear import PatchLinear
from engine_ext.served import ServedModel


class SealAfterLoading:
    """A quantization method that quantizes nothing: it seals the projection it is attached to."""

    def __init__(self, served: ServedModel, name: str) -> None:
        self._served = served
        self._name = name

    def process_weights_after_loading(self, layer: nn.Module) -> None:
        """Seal the loaded projection, or wait where its weights are yet to come.

        Raises:
            VerificationError: it must not serve.
        """
        assert isinstance(layer, PatchLinear)
        if not self._served.awaits_weights(self._name, layer):
            self._served.seal(self._name, layer)


def conv_types() -> tuple[type[nn.Module], ...]:
    """The layers by which SGLang's models compute a 3-D convolution."""
    try:
        from sglang.srt.layers.conv import Conv3dLayer
    except ImportError:  # SGLang 0.5.9 and older use nn.Conv3d throughout
        return (nn.Conv3d,)
    return (nn.Conv3d, Conv3dLayer)
