"""``PatchConv3d``: a ``Conv3d`` over patches that multiplies instead of convolving."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine_ext.patch_embed.geometry import PatchGeometry

is_scripting = torch.jit.is_scripting  # type: ignore[attr-defined]


@torch.fx.wrap
def patch_product(frames: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """What ``F.conv3d(frames, weight, bias, stride=weight.shape[2:])`` gives, as one product.

    Windows of a stride that equals the kernel do not overlap, so each is a row and the kernel a
    matrix: a view of the weight, whose memory order is that of a row.

    Args:
        frames: (N, C, frames, height, width), or without N.
        weight: (D, C, T, P, P).
        bias: (D,).

    Returns:
        (N, D, frames // T, height // P, width // P): what does not fill a window is dropped.

    Raises:
        ValueError: frames of another number of dimensions or channels, or smaller than a window.
    """
    if frames.shape[1:] == weight.shape[1:]:  # one window each: patch embeddings call it so
        product = F.linear(frames.flatten(1), weight.flatten(1), bias)
        # As a convolution's, the output is a view of nothing: hooks that FSDP2 puts on it, say,
        # live through a write in place.
        # The count is left open, so that a trace takes any.
        shape = [-1, weight.shape[0], 1, 1, 1]
        output: Tensor = torch.ops.aten._unsafe_view(product, shape)
        return output
    if frames.dim() == 4:
        return patch_product(frames.unsqueeze(0), weight, bias).squeeze(0)
    _, channels, *kernel = weight.shape
    if frames.dim() != 5 or frames.shape[1] != channels:
        raise ValueError(
            f"expected (N, {channels}, frames, height, width) or the same without N, found"
            f" {tuple(frames.shape)}"
        )
    if any(size < window for size, window in zip(frames.shape[2:], kernel, strict=True)):
        raise ValueError(
            f"expected frames, height and width of at least {tuple(kernel)}, found"
            f" {tuple(frames.shape[2:])}"
        )
    windows = frames
    for axis, size in enumerate(kernel, start=2):
        windows = windows.unfold(axis, size, size)
    rows = windows.permute(0, 2, 3, 4, 1, 5, 6, 7).flatten(4)
    product = F.linear(rows, weight.flatten(1), bias).permute(0, 4, 1, 2, 3)
    return product.clone(memory_format=torch.contiguous_format)


class PatchConv3d(nn.Conv3d):
    """An ``nn.Conv3d`` whose stride equals its kernel, computed by `patch_product`.

    It holds the parameters of a convolution and nothing made of them, so whoever loads, updates,
    shards, moves, adapts or saves them has to know nothing of it, and its output is always the
    convolution of the parameters that are there now. Put in place by `engine_ext.linearize`.
    """

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if is_scripting():  # TorchScript cannot compile `patch_product`
            return F.conv3d(input, weight, bias, self.stride)
        return patch_product(input, weight, bias)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        # Checkpoints of layers that store the matrix hold (D, C*T*P*P) under the same name
        # (transformers #45992).
        loaded = state_dict.get(prefix + "weight")
        if isinstance(loaded, Tensor) and loaded.shape == self.weight.flatten(1).shape:
            state_dict[prefix + "weight"] = loaded.reshape(self.weight.shape)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    @classmethod
    def put_in_place(cls, conv: nn.Conv3d) -> PatchConv3d:
        """Make ``conv`` one, by its class: module, parameters, hooks and name stay what they are.

        As ``torch.nn.utils.parametrize`` and FSDP2 do. ``conv`` is an ``nn.Conv3d`` itself, not of
        a subclass.

        Raises:
            NotAPatchProjection: it is not a matrix product over patches.
        """
        PatchGeometry.of(conv)
        conv.__class__ = cls
        assert isinstance(conv, cls)
        return conv

    @classmethod
    def sharing(cls, layer: Any) -> PatchConv3d:
        """One that holds the very parameters of another layer that convolves.

        Raises:
            NotAPatchProjection: it is not a matrix product over patches.
        """
        geometry = PatchGeometry.of(layer)
        with torch.device("meta"):
            made = cls(
                *(geometry.in_channels, geometry.out_channels, geometry.kernel_size),
                stride=geometry.kernel_size,
                bias=geometry.has_bias,
            )
        made.weight, made.bias = layer.weight, layer.bias
        return made.train(layer.training)
