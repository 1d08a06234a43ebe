"""What an image or video processor makes of each pixel value, read off the processor itself.

The processors of vision-language models resize an image, rescale and normalise it value by value,
and cut it into rows. All that the middle steps can do is in a table: 256 values for each channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

LEVELS = 256
STEPS = {"do_rescale": False, "do_normalize": False}
"""Settings of a call under which a processor gives the pixels themselves."""


class NotByValue(ValueError):
    """A processor does more to pixels than to exchange values; the message says what was seen."""


@dataclass(frozen=True)
class PixelValues:
    """What a processor makes of the pixel values 0 to 255 of each channel.

    Args:
        table: (C, 256), in the processor's own dtype.
        affine: two columns (C, 1) in that dtype, such that ``(value - first) / second`` is the
            table bit for bit; None where no such two are known.
    """

    table: Tensor
    affine: tuple[Tensor, Tensor] | None = None

    @property
    def channels(self) -> int:
        return len(self.table)

    def to(self, device: torch.device | str) -> PixelValues:
        """The same on another device."""
        affine = self.affine and (self.affine[0].to(device), self.affine[1].to(device))
        return PixelValues(self.table.to(device), affine)

    def packed(self) -> Tensor:
        """All of it in one tensor, for a message: (C, 256), or (C, 258) with the two columns."""
        return torch.cat([self.table, *(self.affine or ())], dim=1)

    @classmethod
    def unpacked(cls, packed: Tensor) -> PixelValues:
        """From what `packed` gave."""
        table, first, second = packed.tensor_split((LEVELS, LEVELS + 1), dim=1)
        return cls(table, (first, second) if second.numel() else None)

    @classmethod
    def of(cls, processor: Any) -> PixelValues:
        """Read them off an image or video processor of transformers (4.57 and newer).

        The processor is run on two pictures: one that holds every value, and noise, which shows
        whether the value of a pixel is all that counts.

        Raises:
            NotByValue: it is not, or the processor gives no rows of RGB patches.
        """
        patch, frames = processor.patch_size, processor.temporal_patch_size
        cell = patch * processor.merge_size
        side = cell * -(-LEVELS // cell)
        ramp = np.tile(np.arange(side, dtype=np.uint8), (side, 1))
        table = None
        for picture in (np.stack([ramp] * 3, axis=-1), noise(side, side)):
            raw, made = (
                rows_of(processor, picture, settings).view(-1, 3, frames * patch * patch)
                for settings in (STEPS, {})
            )
            values = raw.to(torch.long)
            if not (made.is_floating_point() and torch.equal(values.to(raw.dtype), raw)):
                raise NotByValue(
                    f"{type(processor).__name__} makes {made.dtype} of pixels and gives them as"
                    f" {raw.dtype}, expected floats made of whole numbers"
                )
            if table is None:
                table = torch.full((3, LEVELS), torch.nan, dtype=made.dtype)
                for channel in range(3):
                    table[channel, values[:, channel]] = made[:, channel]
            found = torch.stack([table[c][values[:, c]] for c in range(3)], dim=1)
            if not torch.equal(found, made):  # a table with NaN is not equal to itself
                raise NotByValue(
                    f"{type(processor).__name__} does not exchange pixel values one by one: it"
                    " makes different numbers of one value, or none"
                )
        assert table is not None
        return cls(table, _affine(table, processor))


def rows_of(processor: Any, picture: np.ndarray, settings: Mapping[str, bool]) -> Tensor:
    """The rows of one picture, (N, C*T*P*P), at its own size unless ``settings`` say otherwise.

    Raises:
        NotByValue: it gives others.
    """
    call = {"do_resize": False, "return_tensors": "pt", **settings}
    name = processor.model_input_names[0]
    if name == "pixel_values_videos":
        clip = torch.from_numpy(np.stack([picture] * processor.temporal_patch_size))
        clip = clip.permute(0, 3, 1, 2)
        made = processor(videos=[clip], do_sample_frames=False, **call)
    else:
        made = processor(images=[picture], input_data_format="channels_last", **call)
    rows = made[name]
    width = 3 * processor.temporal_patch_size * processor.patch_size**2
    if not isinstance(rows, Tensor) or rows.dim() != 2 or rows.shape[1] != width:
        raise NotByValue(
            f"{type(processor).__name__} gives {getattr(rows, 'shape', type(rows))}, expected rows"
            f" of {width} values"
        )
    return rows


def noise(height: int = 150, width: int = 250) -> np.ndarray:
    """A picture, (H, W, 3), the same at each call."""
    return np.random.default_rng(0).integers(0, LEVELS, (height, width, 3), dtype=np.uint8)


def _affine(table: Tensor, processor: Any) -> tuple[Tensor, Tensor] | None:
    """The fused form of transformers' torchvision backend, where it is the table, bit for bit."""
    if not (processor.do_normalize and processor.rescale_factor):
        return None
    scale = 1.0 / processor.rescale_factor if processor.do_rescale else 1.0
    mean, std = (
        torch.tensor(each, dtype=table.dtype).expand(len(table))[:, None] * scale
        for each in (processor.image_mean, processor.image_std)
    )
    levels = torch.arange(LEVELS, dtype=table.dtype).expand(len(table), -1)
    return (mean, std) if torch.equal(levels.sub(mean).div_(std), table) else None
