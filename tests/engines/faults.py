"""Faults of a replacement that no client may meet: each is to be stopped when a model is loaded.

The convolution is right in each of them. ``injection`` puts them into an engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from evals.checkpoints import damage

Product = Callable[[Callable[..., Any], Any, Any, Any], Any]
"""(the right product, frames, weight, bias) to what the fault makes of them."""


@dataclass(frozen=True)
class Fault:
    """One fault, and a pattern of the refusal that tells it was seen for what it is.

    ``product`` computes instead of the layer, ``arrives`` puts a loaded tensor into a parameter
    instead of the loader, ``spoils`` changes a replaced layer that has not been loaded yet.
    """

    name: str
    said: str
    product: Product | None = None
    arrives: Callable[[str, Any, Any], None] | None = None
    spoils: Callable[[Any], None] | None = None


def _with(kernel=lambda kernel: kernel, bias=lambda bias: bias):
    """A product with another kernel or bias than the layer's."""
    return lambda product, frames, weight, b: product(frames, kernel(weight), bias(b))


def _spoilt(product, frames, weight, bias):
    found = product(frames, weight, bias)
    found[:, 3] = float("nan")
    return found


def _puts(change, only=("weight", "bias")):
    """A loader that puts something else into the parameters named, and the right thing elsewhere.

    ``change`` makes it from (what the parameter holds, what was loaded).
    """

    def arrives(leaf, parameter, loaded):
        held = parameter.detach().clone()
        parameter.data.copy_(change(held, loaded.to(held.dtype)) if leaf in only else loaded)

    return arrives


def _half_of_the_rows(held, loaded):
    return torch.cat([loaded[: len(loaded) // 2], held[len(held) // 2 :]])


def _sets(**settings):
    def spoils(layer):
        for name, value in settings.items():
            setattr(layer, name, value)

    return spoils


NOT_EQUAL = "is not the convolution of its weights"
NOT_LOADED = "values are not finite"

FAULTS = [
    # The product is not the convolution.
    Fault(
        "height and width exchanged before flattening",
        NOT_EQUAL,
        _with(damage.rows_for_columns),
    ),
    Fault("channels and time exchanged", NOT_EQUAL, _with(damage.time_before_channels)),
    Fault("channels last", NOT_EQUAL, _with(damage.channels_last)),
    Fault("frames exchanged", NOT_EQUAL, _with(damage.swapped_frames)),
    Fault("bias missing", NOT_EQUAL, _with(bias=lambda b: None)),
    Fault("bias shifted by one channel", NOT_EQUAL, _with(bias=lambda b: b.roll(1))),
    Fault("one output is not a number", "relative difference nan", _spoilt),
    # Weights that are not there.
    Fault("weights never copied", NOT_LOADED, arrives=_puts(lambda held, loaded: held)),
    Fault("half of the rows copied", NOT_LOADED, arrives=_puts(_half_of_the_rows)),
    Fault("bias never copied", NOT_LOADED, arrives=_puts(lambda held, loaded: held, ["bias"])),
    # A convolution that is none of patches, as if nobody had looked.
    Fault("a convolution whose windows overlap", "stride", spoils=_sets(stride=(2, 7, 7))),
    Fault("a convolution with padding", "padding", spoils=_sets(padding=(0, 1, 1))),
]
BY_NAME = {fault.name: fault for fault in FAULTS}
