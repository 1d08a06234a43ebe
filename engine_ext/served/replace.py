"""Put a ``PatchLinear`` in place of every patch projection of an engine's model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from inspect import getattr_static

from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from engine_ext.patch_embed.geometry import NotAPatchProjection, PatchGeometry
from engine_ext.patch_embed.linear import PatchLinear
from engine_ext.patch_embed.linearize import Finding, Report
from engine_ext.served.verify import verify


def linearize(
    model: nn.Module,
    *,
    conv_types: Sequence[type[nn.Module]] = (nn.Conv3d,),
    check: bool = True,
) -> Report:
    """Replace every patch projection of ``model`` by a ``PatchLinear``, in place.

    Works before weights are loaded (the replacement has the checkpoint's layout) and after.
    Nothing is replaced unless everything can be; a second call changes nothing.

    Args:
        conv_types: the layer classes that compute a 3-D convolution. Subclasses count unless they
            override the computation.
        check: verify each replacement against the convolution now. Weights on the meta device
            have no values: call ``engine_ext.verify`` on those once they are loaded.

    Raises:
        VerificationError: weights that are not finite or all zero, or a replacement that differs.
            The model is as it was.
    """
    found = list(_find(model, tuple(conv_types)))
    replacements: dict[int, PatchLinear] = {}
    findings = []
    for name, module in found:
        layer = f"{type(module).__module__}.{type(module).__qualname__}"
        if id(module) in replacements:
            continue  # registered under a second name: one layer, one replacement, one finding
        if isinstance(module, PatchLinear):
            findings.append(Finding(name, layer, "already linear", module.geometry))
        elif reason := _why_left_alone(name, module, conv_types):
            findings.append(Finding(name, layer, "left alone", reason=reason))
        else:
            replacement = replacements[id(module)] = PatchLinear.from_conv(module)
            verified = None
            if check and not replacement.weight.is_meta:
                verified = verify(replacement, name)
            findings.append(
                Finding(name, layer, "replaced", replacement.geometry, verification=verified)
            )
    for name, module in found:
        if id(module) in replacements:
            parent, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(parent), leaf, replacements[id(module)])
    return Report(tuple(findings))


def _find(
    model: nn.Module, conv_types: tuple[type[nn.Module], ...]
) -> Iterator[tuple[str, nn.Module]]:
    wanted: tuple[type[nn.Module], ...] = (*conv_types, nn.Conv3d, PatchLinear)
    for name, module in model.named_modules(remove_duplicate=False):
        if isinstance(module, wanted):
            yield name, module


def _why_left_alone(
    name: str, module: nn.Module, conv_types: Sequence[type[nn.Module]]
) -> str | None:
    """Why ``module`` is left alone, or None when it is to be replaced."""
    if not name:
        return "it is the model itself: use PatchLinear.from_conv"
    if not any(_computes_as(module, conv_type) for conv_type in conv_types):
        return "its class overrides the computation of a 3-D convolution"
    # A replacement would drop these silently: offloading hooks, LoRA and weight norms use them.
    if "forward" in vars(module) or module._forward_hooks or module._forward_pre_hooks:
        return "it carries forward hooks or a replaced forward"
    if is_parametrized(module):
        return "its parameters are parametrized"
    # SGLang packs the weights of its Conv3dLayer for CPUs with AMX (0.5.14 and newer).
    if (packing := getattr(module, "quant_method", None)) is not None:
        return f"the engine processes its weights after loading ({type(packing).__name__})"
    try:
        PatchGeometry.of(module)
    except NotAPatchProjection as reason:
        return str(reason)
    return None


def _computes_as(module: nn.Module, conv_type: type[nn.Module]) -> bool:
    """Whether ``module`` is a ``conv_type`` whose forward methods nobody has overridden."""
    own = type(module)
    if not issubclass(own, conv_type):
        return False
    methods = {name for name in dir(conv_type) if "forward" in name and "hook" not in name}
    # Static, because looking up a class method makes a new object each time.
    return all(getattr_static(own, name) is getattr_static(conv_type, name) for name in methods)
