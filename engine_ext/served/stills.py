"""The projections of a served model, made to take raw pixels of stills as well."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine_ext.patch_embed import VerificationError
from engine_ext.patch_embed.fold import BRIGHTEST, Normalisation, fold
from engine_ext.patch_embed.linear import PatchLinear

PROBED = 32  # patches
TOLERANCES = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 2e-2}
"""Largest relative difference from float64 that is rounding: a few times what is found."""


class Stills:
    """Folds what the processor does to pixels into each projection, whenever it is sealed."""

    def __init__(self, normalisation: Normalisation) -> None:
        self.normalisation = normalisation

    def fold(self, name: str, projection: PatchLinear) -> None:
        """Fold the weights that ``projection`` holds now.

        Raises:
            VerificationError: the folded kernel is not the projection of normalised pixels.
            NotFoldable: the projection has another number of channels.
        """
        projection.still = fold(projection.weight, projection.bias, self.normalisation)
        found = self._difference(projection)
        tolerance = TOLERANCES.get(projection.weight.dtype, 0.0)
        if not found <= tolerance:
            projection.still = None
            raise VerificationError(
                f"{name}: the kernel of raw pixels is not that of normalised ones: relative "
                f"difference {found:.3g}, expected at most {tolerance:g}"
            )

    def accept(self, model: nn.Module, name: str) -> None:
        """Let rows of raw pixels through the module around a projection.

        Engines cut what they get into patches there, and two rows of a still would make one patch.

        Raises:
            VerificationError: the projection does not fit what the processor does.
        """
        parent, _, leaf = name.rpartition(".")
        module = model.get_submodule(parent)
        geometry = getattr(module, leaf).geometry
        channels, frames, *_ = geometry.patch_shape
        if frames < 2 or channels != len(self.normalisation.mean):
            raise VerificationError(
                f"{name}: takes patches of {geometry.patch_shape}, expected two frames or more and"
                f" the {len(self.normalisation.mean)} channels that the processor normalises, to"
                " take raw pixels"
            )
        stock = module.forward

        def forward(rows: Tensor) -> Tensor:
            projection: PatchLinear = getattr(module, leaf)
            takes: Any = stock if rows.shape[-1] == geometry.row_width else projection
            found: Tensor = takes(rows)
            return found

        module.forward = forward

    @torch.no_grad()
    def _difference(self, projection: PatchLinear) -> float:
        """From float64, of random pixels, over the norm of the result."""
        channels, frames, *_ = projection.geometry.patch_shape
        shape = (PROBED, channels, projection.geometry.still_width // channels)
        generator = torch.Generator().manual_seed(0)
        pixels = torch.randint(BRIGHTEST + 1, shape, generator=generator, dtype=torch.uint8)
        mean, std = (
            torch.tensor(values, dtype=torch.float64)[:, None]
            for values in (self.normalisation.mean, self.normalisation.std)
        )
        normal = (pixels.double() * self.normalisation.rescale - mean) / std
        rows = normal[:, :, None].expand(-1, -1, frames, -1).flatten(1)
        weight, bias = projection.weight, projection.bias
        exact = F.linear(
            rows.to(weight.device),
            weight.detach().double().flatten(1),
            None if bias is None else bias.detach().double(),
        )
        found = projection(pixels.flatten(1).to(weight.device)).double()
        return math.sqrt(float((found - exact).square().sum() / exact.square().sum()))
