"""Sealing hangs on the hook vLLM calls whenever weights have arrived.

``process_weights_after_loading`` runs for each module with a ``quant_method`` of the engine's own
base class: after the first load whatever the load format, and after ``reload_weights``.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from vllm.model_executor.layers.quantization.base_config import QuantizeMethodBase

from engine_ext.patch_embed import VerificationError
from engine_ext.patch_embed.linear import PatchLinear
from engine_ext.served import ServedModel


class SealAfterLoading(QuantizeMethodBase):  # type: ignore[misc]
    """A quantization method that quantizes nothing: it seals the projection it is attached to."""

    # Sealing reads weights that another process has already sealed without changing them.
    supports_pre_processed_weights = True

    def __init__(self, served: ServedModel, name: str) -> None:
        self._served = served
        self._name = name

    def create_weights(self, layer: nn.Module, *args: Any, **kwargs: Any) -> None:
        """Nothing to create: the projection holds the convolution's parameters."""

    def apply(self, layer: nn.Module, *args: Any, **kwargs: Any) -> Tensor:
        output: Tensor = layer(*args, **kwargs)
        return output

    def process_weights_after_loading(self, layer: nn.Module) -> None:
        """Seal the loaded projection.

        Raises:
            VerificationError: it must not serve. Not inside a reload, which an exception would
                leave with half of its layers on no device: ``updates`` looks for it at its end.
        """
        assert isinstance(layer, PatchLinear)
        try:
            self._served.seal(self._name, layer)
        except VerificationError as error:
            if not self._served.is_updating:
                raise
            self._served.update_failed(error)


def conv_types() -> tuple[type[nn.Module], ...]:
    """The layers by which vLLM's models compute a 3-D convolution."""
    try:
        from vllm.model_executor.layers.conv import Conv3dLayer
    except ImportError:  # vLLM 0.11.0 uses nn.Conv3d throughout
        return (nn.Conv3d,)
    return (nn.Conv3d, Conv3dLayer)
