"""The faults that no client may meet: in the replacement, and in how weights reach it.

The convolution is right in each of them. ``injection`` puts them into an engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from engine_ext.patch_embed import geometry
from engine_ext.patch_embed.linear import PatchLinear
from evals.checkpoints import wrong_kernels
from tests.engines.damage import BIASLESS, changed, damaged

LOAD, UPDATE = "load", "update"


@dataclass(frozen=True)
class Fault:
    """One fault: where it acts, and a pattern of the refusal that tells it was seen for what it is.

    ``product`` computes rows @ weight instead of the layer, ``arrives`` puts a loaded tensor into a
    parameter instead of the loader, ``replaces`` makes the replacement of a convolution.
    """

    name: str
    at: str
    said: str
    product: Callable[[PatchLinear, Any], Any] | None = None
    arrives: Callable[[str, Any, Any], None] | None = None
    replaces: Callable[[Any], PatchLinear] | None = None


def _product(kernel=lambda kernel: kernel, bias=lambda bias: bias):
    """A product with another kernel or bias than the layer's."""
    return lambda layer, rows: F.linear(rows, kernel(layer.weight).flatten(1), bias(layer.bias))


def _spoiled_product(layer, rows):
    product = F.linear(rows, layer.weight.flatten(1), layer.bias)
    product[:, 3] = float("nan")
    return product


def _stale_product(layer, rows):
    """Over a copy made when the fault began, whatever the weight is now."""
    return F.linear(rows, _before[id(layer)].to(rows.dtype), layer.bias)


def remember(layer):
    _before[id(layer)] = layer.weight.detach().flatten(1).clone()


_before: dict[int, Any] = {}
"""The matrix by which each layer last computed without a fault."""


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


def _in_float16(leaf, parameter, loaded):
    parameter.data = loaded.half()


def _with_own_parameters(change):
    def replaces(conv):
        bias = None if conv.bias is None else nn.Parameter(change(conv.bias.detach()), False)
        weight = nn.Parameter(change(conv.weight.detach()), False)
        return PatchLinear(geometry.PatchGeometry.of(conv), weight, bias)

    return replaces


def _of_another_convolution(**settings):
    """Replace a convolution that is none of patches, as if nobody had looked."""

    def replaces(conv):
        replacement = PatchLinear(geometry.PatchGeometry.of(conv), conv.weight, conv.bias)
        for name in ("stride", "padding", "dilation", "groups"):
            setattr(replacement, name, settings.get(name, getattr(conv, name)))
        return replacement

    return replaces


NOT_EQUAL = "is not the convolution it replaces"
NOT_THOSE = "values are not those that the loader was given"
NOT_LOADED = "values are not finite"
OTHER_TENSOR = "expected the convolution's own parameter"
NO_PATCHES = "is no projection of patches"

FAULTS = [
    # The product is not the convolution.
    Fault(
        "height and width exchanged before flattening",
        LOAD,
        NOT_EQUAL,
        _product(wrong_kernels.rows_for_columns),
    ),
    Fault(
        "channels and time exchanged",
        LOAD,
        NOT_EQUAL,
        _product(wrong_kernels.time_before_channels),
    ),
    Fault("channels last", LOAD, NOT_EQUAL, _product(wrong_kernels.channels_last)),
    Fault("frames exchanged", LOAD, NOT_EQUAL, _product(wrong_kernels.swapped_frames)),
    Fault("bias missing", LOAD, NOT_EQUAL, _product(bias=lambda b: None)),
    Fault("bias shifted by one channel", LOAD, NOT_EQUAL, _product(bias=lambda b: b.roll(1))),
    Fault("one output is not a number", LOAD, "relative difference nan", _spoiled_product),
    # What serves is not what was loaded.
    Fault("weights never copied", LOAD, NOT_LOADED, arrives=_puts(lambda held, loaded: held)),
    Fault(
        "weights never copied, plausible values in their place",
        LOAD,
        NOT_THOSE,
        arrives=_puts(lambda held, loaded: torch.randn_like(held) * 0.02),
    ),
    Fault("half of the rows copied", LOAD, NOT_LOADED, arrives=_puts(_half_of_the_rows)),
    Fault(
        "bias never copied", LOAD, NOT_LOADED, arrives=_puts(lambda held, loaded: held, ["bias"])
    ),
    Fault(
        "bias zero",
        LOAD,
        NOT_THOSE,
        arrives=_puts(lambda held, loaded: torch.zeros_like(held), ["bias"]),
    ),
    Fault(
        "kernel transposed on its way in",
        LOAD,
        NOT_THOSE,
        arrives=_puts(lambda held, loaded: wrong_kernels.rows_for_columns(loaded), ["weight"]),
    ),
    Fault(
        "frames exchanged on their way in",
        LOAD,
        NOT_THOSE,
        arrives=_puts(lambda held, loaded: wrong_kernels.swapped_frames(loaded), ["weight"]),
    ),
    Fault(
        "one percent of noise on its way in",
        LOAD,
        NOT_THOSE,
        arrives=_puts(lambda held, loaded: loaded * (1 + 0.01 * torch.randn_like(loaded))),
    ),
    Fault(
        "scaled by 1.1 on its way in",
        LOAD,
        NOT_THOSE,
        arrives=_puts(lambda held, loaded: wrong_kernels.scaled(loaded)),
    ),
    Fault(
        "another dtype after loading",
        LOAD,
        "found torch.float16, expected torch.bfloat16",
        arrives=_in_float16,
    ),
    # The replacement should not be, or not so.
    Fault(
        "parameters copied instead of taken over",
        LOAD,
        OTHER_TENSOR,
        replaces=_with_own_parameters(torch.clone),
    ),
    Fault("another dtype", LOAD, OTHER_TENSOR, replaces=_with_own_parameters(torch.Tensor.half)),
    Fault(
        "another device",
        LOAD,
        OTHER_TENSOR,
        replaces=_with_own_parameters(lambda value: value.to("meta")),
    ),
    Fault(
        "a convolution whose windows overlap",
        LOAD,
        NO_PATCHES,
        replaces=_of_another_convolution(stride=(2, 7, 7)),
    ),
    Fault(
        "a convolution with padding",
        LOAD,
        NOT_EQUAL,
        replaces=_of_another_convolution(padding=(0, 1, 1)),
    ),
    # An update of the running engine.
    Fault("a stale view serves after an update", UPDATE, NOT_EQUAL, _stale_product),
    Fault("an update never arrives", UPDATE, NOT_THOSE, arrives=_puts(lambda held, loaded: held)),
    Fault(
        "an update reaches the weight and not the bias",
        UPDATE,
        NOT_THOSE,
        arrives=_puts(lambda held, loaded: held, ["bias"]),
    ),
    Fault(
        "an update reaches half of the rows",
        UPDATE,
        NOT_THOSE,
        arrives=_puts(_half_of_the_rows, ["weight"]),
    ),
    Fault(
        "an update is transposed on its way in",
        UPDATE,
        NOT_THOSE,
        arrives=_puts(lambda held, loaded: wrong_kernels.rows_for_columns(loaded), ["weight"]),
    ),
    Fault(
        "an update spoils a value",
        UPDATE,
        NOT_LOADED,
        arrives=_puts(
            lambda held, loaded: loaded.index_fill(1, torch.tensor([0]), float("nan")), ["weight"]
        ),
    ),
    Fault(
        "an update changes the dtype",
        UPDATE,
        "found torch.float16, expected torch.bfloat16",
        arrives=_in_float16,
    ),
]
ONE_RANK = "one tensor-parallel rank replaced and not the other"
HALF = "an update's checkpoint lacks the bias"
BY_NAME = {fault.name: fault for fault in FAULTS}


def updates(folder, family):
    """(fault, checkpoint) of each faulty update, and at last one without a fault: None."""
    other = changed(folder, family)
    faulty = [(fault.name, other) for fault in at(UPDATE)]
    return [*faulty, (HALF, damaged(folder, family, BIASLESS)), (None, other)]


def at(stage):
    return [fault for fault in FAULTS if fault.at == stage]
