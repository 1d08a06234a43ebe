"""By which way an image is resized on a device."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from importlib import import_module

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from engine_ext.pixels.resize.weights import weights_on

logger = logging.getLogger(__name__)

Rows = Callable[[Tensor, int], Tensor]
WAYS = ("engine_ext.pixels.resize.by_triton", "engine_ext.pixels.resize.by_torch")
"""Modules whose ``resize_rows`` resizes on a device, the fastest first."""
PROBES = (((61, 83), (28, 140)), ((40, 31), (112, 28)), ((9, 700), (56, 56)))
"""Sizes between which a way must resize as a CPU does before it is taken."""


def make_ready(device: torch.device) -> None:
    """Find the way of a device now: the first image would wait for what is compiled for it."""
    if device.type not in ("cpu", "meta"):
        _way(device)


def resized(image: Tensor, height: int, width: int) -> Tensor:
    """As image processors of transformers resize by torchvision on a CPU, bit for bit.

    On a CPU by the function that they call. On another device by whole numbers, once that has been
    seen to give the same there; where nothing does, on the CPU.

    Args:
        image: (H, W, 3) uint8.

    Returns:
        (height, width, 3) uint8, on the device of ``image``.
    """
    if image.shape[:2] == (height, width):
        return image
    rows = None if image.device.type == "cpu" else _way(image.device)
    if rows is None:
        return on_cpu(image.cpu(), height, width).to(image.device)
    return resized_by(rows, image, height, width)


def on_cpu(image: Tensor, height: int, width: int) -> Tensor:
    """By the function that image processors call."""
    channels_first = image.permute(2, 0, 1)[None]
    found = interpolate(channels_first, size=(height, width), mode="bicubic", antialias=True)
    return found[0].permute(1, 2, 0)


def resized_by(rows: Rows, image: Tensor, height: int, width: int) -> Tensor:
    """Each row first, then each column, as torch does."""
    if image.shape[1] != width:
        image = rows(image, width)
    if image.shape[0] != height:
        image = rows(image.reshape(1, image.shape[0], -1), height).view(height, width, -1)
    return image


@cache
def _way(device: torch.device) -> Rows | None:
    """The first way that gives on a device what a CPU gives; None where none does."""
    try:
        return _first_exact(device)
    finally:
        # What the probes were resized by was made while a model is loaded, in memory whose contents
        # an engine may discard with the weights (sleep).
        weights_on.cache_clear()


def _first_exact(device: torch.device) -> Rows | None:
    for name in WAYS:
        try:
            rows: Rows = import_module(name).resize_rows
            wrong = sum(not _is_exact(rows, device, *probe) for probe in PROBES)
        except Exception as error:
            logger.warning(
                "engine_ext: images are not resized by %s on %s: %r", name, device, error
            )
            continue
        if not wrong:
            return rows
        logger.warning(
            "engine_ext: %s resizes %d of %d images otherwise on %s than a CPU does: not taken",
            *(name, wrong, len(PROBES), device),
        )
    logger.warning(
        "engine_ext: images are resized on the CPU, as %s does not do it exactly", device
    )
    return None


def _is_exact(
    rows: Rows, device: torch.device, size: tuple[int, int], made: tuple[int, int]
) -> bool:
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (*size, 3), dtype=torch.uint8, device="cpu", generator=generator)
    expected = on_cpu(image, *made)
    return torch.equal(resized_by(rows, image.to(device), *made).cpu(), expected)
