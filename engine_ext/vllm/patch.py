"""What a patch of a model is, and its images' rows of one frame and of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine_ext.pixels import processors
from engine_ext.pixels.decoded import compact_rows

ROWS, GRIDS = "pixel_values", "image_grid_thw"
FORM = "engine_ext_form"
"""The input that tells images of ours from stock's: vLLM makes no batch of items whose inputs have
other names, so the two never meet in one."""
CHANNELS = processors.CHANNELS


@dataclass(frozen=True)
class Patch:
    """By a model's configuration: the same to who sends and who takes."""

    frames: int
    side: int
    merge: int

    @classmethod
    def of(cls, hf_config: Any) -> Patch | None:
        """None where a configuration does not say it as Qwen-VL's and GLM-V's do."""
        vision = getattr(getattr(hf_config, "thinker_config", hf_config), "vision_config", None)
        names = ("temporal_patch_size", "patch_size", "spatial_merge_size")
        numbers = [getattr(vision, name, None) for name in names]
        return cls(*numbers) if all(isinstance(one, int) for one in numbers) else None  # type: ignore[arg-type]

    @property
    def row_width(self) -> int:
        """Values of a row as a processor writes it, C*T*P*P."""
        return CHANNELS * self.frames * self.side**2

    def first_frame(self, rows: Tensor) -> Tensor:
        """Rows of one frame, (N, C, P*P).

        Args:
            rows: as a processor writes them, (N, C*P*P) or (N, C*T*P*P).

        Raises:
            ValueError: rows that are no patches of this model, which its tower could not take.
        """
        area = self.side**2
        frames, rest = divmod(rows.shape[-1], CHANNELS * area)
        if rows.dim() != 2 or rest or frames not in (1, self.frames):
            raise ValueError(
                f"the image processor gives {tuple(rows.shape)}, expected rows of"
                f" {self.row_width} values, by the model's temporal_patch_size of"
                f" {self.frames} and patch_size of {self.side}"
            )
        return rows.view(len(rows), CHANNELS, frames, area)[:, :, 0].contiguous()

    def rows(self, images: Sequence[Tensor], grids: Tensor) -> Tensor:
        """Rows of images as a processor writes them, (N, C*T*P*P), on their device.

        Args:
            images: each (N, C, P*P), of one frame, or (H, W, C) as it was decoded.
            grids: (images, 3), in patches.
        """
        sizes = grids.tolist()
        counts = [frames * height * width for frames, height, width in sizes]
        dtype, device = images[0].dtype, images[0].device
        rows = torch.empty((sum(counts), self.row_width), dtype=dtype, device=device)
        for image, grid, part in zip(images, sizes, torch.split(rows, counts), strict=True):
            once = compact_rows(image, grid, self.side, self.merge) if is_decoded(image) else image
            part.view(len(part), CHANNELS, self.frames, -1).copy_(once.unsqueeze(2))
        return rows


def is_decoded(image: Tensor) -> bool:
    """Whether it is (H, W, C), and not (N, C, P*P): no patch has three pixels."""
    return image.shape[-1] == CHANNELS
