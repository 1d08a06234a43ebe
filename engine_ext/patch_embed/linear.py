"""``PatchLinear``: a patch projection computed as one matrix product."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine_ext.patch_embed.fold import StillKernel
from engine_ext.patch_embed.geometry import PatchGeometry


class PatchLinear(nn.Module):
    """The function of a stride-equals-kernel ``Conv3d``, as ``F.linear`` over patch rows.

    It holds the convolution's parameters in the convolution's layout: ``weight`` (D, C, T, P, P)
    and ``bias`` (D) or None, under the same names. Whatever loads, saves, shards, moves or updates
    the weights of the convolution therefore works on this layer unchanged; the matrix the product
    needs is a view of the weight, never a second copy.
    """

    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(
        self, geometry: PatchGeometry, weight: nn.Parameter, bias: nn.Parameter | None
    ) -> None:
        """Take over ``weight`` and ``bias`` (the objects themselves, with their attributes).

        Raises:
            ValueError: a parameter does not have the shape the geometry states.
        """
        super().__init__()
        _expect_shape("weight", weight, geometry.weight_shape)
        if bias is not None:
            _expect_shape("bias", bias, (geometry.out_channels,))
        self.geometry = geometry
        self.still: StillKernel | None = None
        """Takes raw pixels of one frame, where it has been folded."""
        self.weight = weight
        self.register_parameter("bias", bias)
        # What other code reads from a convolution (engines' dtype, device and shape look-ups).
        self.in_channels = geometry.in_channels
        self.out_channels = geometry.out_channels
        self.kernel_size = geometry.kernel_size
        self.stride: Any = geometry.kernel_size
        self.padding: Any = (0, 0, 0)
        self.dilation: Any = (1, 1, 1)
        self.groups: int = 1

    @classmethod
    def from_conv(cls, conv: nn.Module) -> PatchLinear:
        """Replace ``conv``, sharing its parameters.

        Raises:
            NotAPatchProjection: the convolution is not a matrix product over patches.
        """
        replacement = cls(PatchGeometry.of(conv), conv.weight, conv.bias)  # type: ignore[arg-type]
        replacement.train(conv.training)
        # As the convolution has them: what verifies the replacement computes the convolution.
        for name in ("stride", "padding", "dilation", "groups"):
            setattr(replacement, name, getattr(conv, name))
        return replacement

    def forward(self, patches: Tensor) -> Tensor:
        """Project patches, or frames as the convolution would.

        Args:
            patches: (N, C*T*P*P) rows, channel-major then time, height, width; (N, C*P*P) rows
                of raw pixels, 0 to 255, where `still` has been folded; or (N, C, frames, height,
                width), which is cut into patches here.

        Returns:
            (N, D) for rows; (N, D, frames // T, height // P, width // P) for frames.

        Raises:
            ValueError: rows of another width, or another number of dimensions.
        """
        if patches.dim() == 2:
            if self.still is not None and patches.shape[1] == self.geometry.still_width:
                return self.still(patches)
            return self._project(patches)
        if patches.dim() != 5 or patches.shape[1] != self.in_channels:
            raise ValueError(
                f"PatchLinear got an input of shape {tuple(patches.shape)}, expected "
                f"(N, {self.geometry.row_width}) or (N, {self.in_channels}, frames, height, width)"
            )
        if patches.shape[1:] == self.geometry.patch_shape:
            rows = patches.reshape(patches.shape[0], self.geometry.row_width)
            return self._project(rows).reshape(-1, self.out_channels, 1, 1, 1)
        rows, grid = cut_into_patches(patches, self.kernel_size)
        projected = self._project(rows).reshape(patches.shape[0], *grid, self.out_channels)
        return projected.permute(0, 4, 1, 2, 3)

    def _project(self, rows: Tensor) -> Tensor:
        if rows.shape[1] != self.geometry.row_width:
            raise ValueError(
                f"PatchLinear got patches of {rows.shape[1]} values, expected "
                f"{self.geometry.row_width} (channels, frames, height, width = "
                f"{self.geometry.patch_shape})"
                + ("" if self.still is None else f", or {self.geometry.still_width} of raw pixels")
            )
        # A view unless the weight lies in another memory format; sealing removes that case.
        return F.linear(rows, self.weight.flatten(1), self.bias)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        # Checkpoints written by a layer that stored the matrix hold (D, C*T*P*P) under this name.
        loaded = state_dict.get(prefix + "weight")
        matrix_shape = (self.out_channels, self.geometry.row_width)
        if isinstance(loaded, Tensor) and tuple(loaded.shape) == matrix_shape:
            state_dict[prefix + "weight"] = loaded.reshape(self.geometry.weight_shape)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"bias={self.geometry.has_bias}"
        )


def cut_into_patches(
    frames: Tensor, kernel_size: tuple[int, int, int]
) -> tuple[Tensor, torch.Size]:
    """Cut (N, C, frames, height, width) into rows, dropping what does not fill a patch.

    Returns:
        Rows (N * grid, C*T*P*P) and the grid (frames // T, height // P, width // P).
    """
    windows = frames
    for axis, size in enumerate(kernel_size, start=2):
        windows = windows.unfold(axis, size, size)
    grid = windows.shape[2:5]
    rows = windows.permute(0, 2, 3, 4, 1, 5, 6, 7).flatten(4).flatten(0, 3)
    return rows, grid


def _expect_shape(name: str, parameter: Tensor, expected: tuple[int, ...]) -> None:
    if tuple(parameter.shape) != expected:
        raise ValueError(f"{name} has shape {tuple(parameter.shape)}, expected {expected}")
