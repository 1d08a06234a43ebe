"""Find the patch projections of a model, multiply there, and report every 3-D convolution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import getattr_static
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from engine_ext.patch_embed.conv import PatchConv3d
from engine_ext.patch_embed.convolves import convolves
from engine_ext.patch_embed.geometry import NotAPatchProjection, PatchGeometry
from engine_ext.patch_embed.verify import Verification, has_data, verify

Outcome = Literal["replaced", "already linear", "left alone"]

MULTIPLIED = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
"""Dtypes of which torch computes products (of fp8 and integers it does not)."""
MULTIPLIES = "it computes a product already"


@dataclass(frozen=True)
class Finding:
    """One 3-D convolution of a model and what became of it."""

    name: str
    layer: str
    """Qualified class name of the layer that was found."""
    outcome: Outcome
    geometry: PatchGeometry | None = None
    reason: str = ""
    verification: Verification | None = None
    """None when the weights had no data (on the meta device, or freed by FSDP1) or verification was
    not asked for."""

    def __str__(self) -> str:
        text = f"{self.name or 'the model itself'} ({self.layer}): {self.outcome}"
        if self.geometry is not None:
            text += f", weight {self.geometry.weight_shape}"
        if self.verification is not None:
            text += f", verified difference {self.verification.difference:.1e}"
        elif self.outcome == "replaced":
            text += ", not verified yet"
        return f"{text}: {self.reason}" if self.reason else text


@dataclass(frozen=True)
class Report:
    """Every 3-D convolution of a model, in module order."""

    findings: tuple[Finding, ...]

    @property
    def replaced(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.outcome == "replaced")

    def __str__(self) -> str:
        if not self.findings:
            # Of transformers 5.6 and newer, `fusion_config` makes patch embeddings so.
            return "no 3-D convolution found: a patch embedding of nn.Linear multiplies already"
        return "\n".join(str(finding) for finding in self.findings)


def linearize(
    model: nn.Module,
    *,
    conv_types: Sequence[type[nn.Module]] = (nn.Conv3d,),
    check: bool = True,
    everywhere: bool = True,
) -> Report:
    """Have every patch projection of ``model`` computed as a product, in place.

    Works before weights are loaded and after. An ``nn.Conv3d`` becomes a `PatchConv3d` by its
    class and stays the same module; a layer of another class is replaced by one that shares its
    parameters. Nothing is changed unless everything can be; a second call changes nothing.

    Args:
        conv_types: the layer classes that compute a 3-D convolution. Subclasses count unless they
            override the computation.
        check: verify each projection against the convolution now. Weights on the meta device, or
            in a storage that FSDP1 has freed, have no values: call `engine_ext.verify` on those
            once they are there.
        everywhere: also in place of layers of ``conv_types`` that multiply already by themselves.

    Raises:
        TypeError: ``model`` is no module.
        VerificationError: weights that are not finite or all zero, or a product that differs. The
            model is as it was.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"linearize got {type(model).__name__}, expected a torch.nn.Module")
    places: dict[nn.Module, list[str]] = {}
    for name, module in _convolutions(model, tuple(conv_types)):
        places.setdefault(module, []).append(name)
    findings = [
        _finding(names[0], module, conv_types, check, everywhere)
        for module, names in places.items()
    ]
    for (module, names), finding in zip(places.items(), findings, strict=True):
        if finding.outcome != "replaced":
            continue
        if type(module) is nn.Conv3d:
            PatchConv3d.put_in_place(module)
            continue
        made = PatchConv3d.sharing(module)
        for name in names:
            model.set_submodule(name, made)
    return Report(tuple(findings))


def _convolutions(
    model: nn.Module, conv_types: tuple[type[nn.Module], ...]
) -> Iterator[tuple[str, nn.Module]]:
    wanted: tuple[type[nn.Module], ...] = (*conv_types, nn.Conv3d)
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, wanted):
            yield name, module


def _finding(
    name: str,
    module: nn.Module,
    conv_types: Sequence[type[nn.Module]],
    check: bool,
    everywhere: bool,
) -> Finding:
    """What is to become of ``module``; nothing is changed here."""
    layer = f"{type(module).__module__}.{type(module).__qualname__}"
    if isinstance(module, PatchConv3d):
        return Finding(name, layer, "already linear")
    reason = _why_left_alone(module, conv_types)
    if reason is None and type(module) is not nn.Conv3d:
        reason = _why_not_exchanged(name, module)
        if reason is None and not everywhere and not convolves(module):
            reason = MULTIPLIES
    if reason is not None:
        return Finding(name, layer, "left alone", reason=reason)
    weight: Any = module.weight
    verification = verify(module, name) if check and has_data(weight) else None
    geometry = PatchGeometry.of(module)
    return Finding(name, layer, "replaced", geometry, verification=verification)


def _why_left_alone(module: nn.Module, conv_types: Sequence[type[nn.Module]]) -> str | None:
    """Why ``module`` is not computed as a product, or None when it can be."""
    if not any(_computes_as(module, conv_type) for conv_type in conv_types):
        return "its class overrides the computation of a 3-D convolution"
    # accelerate's hooks replace it too, and call the one of the class.
    if "forward" in vars(module) and not hasattr(module, "_hf_hook"):
        return "its forward has been replaced"
    if is_parametrized(module):
        return "its parameters are parametrized"
    # SGLang packs the weights of its Conv3dLayer for CPUs with AMX (0.5.14 and newer).
    if (packing := getattr(module, "quant_method", None)) is not None:
        return f"the engine processes its weights after loading ({type(packing).__name__})"
    weight: Any = module.weight
    if hasattr(weight, "device_mesh"):
        return f"its weights are sharded ({type(weight.data).__name__})"
    if hasattr(weight, "ds_id"):
        return "its weights are partitioned (DeepSpeed ZeRO-3)"
    if weight.dtype not in MULTIPLIED:
        return f"its weights are {weight.dtype}, of which torch computes no products"
    try:
        PatchGeometry.of(module)
    except NotAPatchProjection as reason:
        return str(reason)
    return None


def _why_not_exchanged(name: str, module: nn.Module) -> str | None:
    """Why a layer that is no plain ``nn.Conv3d`` cannot give way to one that shares its weights."""
    if not name:
        return "it is the model itself: use PatchConv3d.sharing"
    # Another module would not have them: offloading and adapters use them.
    if "forward" in vars(module) or module._forward_hooks or module._forward_pre_hooks:
        return "it carries forward hooks or a replaced forward"
    return None


def _computes_as(module: nn.Module, conv_type: type[nn.Module]) -> bool:
    """Whether ``module`` is a ``conv_type`` whose forward methods nobody has overridden."""
    own = type(module)
    if not issubclass(own, conv_type):
        return False
    methods = {name for name in dir(conv_type) if "forward" in name and "hook" not in name}
    # Static, because looking up a class method makes a new object each time.
    return all(getattr_static(own, name) is getattr_static(conv_type, name) for name in methods)
