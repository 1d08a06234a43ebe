"""Deliberate faults, put into the projections that are replaced in this process meanwhile."""

from __future__ import annotations

from contextlib import contextmanager

from torch.utils._python_dispatch import _get_current_dispatch_mode

from engine_ext.patch_embed import conv
from engine_ext.replacement import Replacement
from tests.engines.faults import BY_NAME


@contextmanager
def injected(name):
    """Let the fault of that name act on every replacement made meanwhile; none for an empty one."""
    fault = BY_NAME.get(name)
    product, construct = conv.patch_product, Replacement.__init__

    def replace(self, model, *arguments, **options):
        construct(self, model, *arguments, **options)
        for finding in self.report.replaced:
            layer = model.get_submodule(finding.name)
            if fault.spoils:
                fault.spoils(layer)
            for leaf, parameter in layer.named_parameters() if fault.arrives else ():
                parameter.weight_loader = _loader(fault, leaf)

    if fault is not None:
        Replacement.__init__ = replace
        if fault.product:
            conv.patch_product = lambda *given: fault.product(product, *given)
    try:
        yield
    finally:
        conv.patch_product, Replacement.__init__ = product, construct


def _loader(fault, leaf):
    # vLLM finds the first argument by its name.
    def load(param, loaded, *arguments, **options):
        # vLLM counts what a layer is given before it loads it, by a mode that writes nothing.
        if not param.is_meta and _get_current_dispatch_mode() is None:
            fault.arrives(leaf, param, loaded)

    return load
