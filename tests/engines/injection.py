"""Deliberate faults, put into this process or into those that an engine starts.

``injected(active)`` puts them into ``PatchLinear`` of this process; ``active()`` names the one that
acts now, or none. In processes of an engine a file, named by ``ENGINE_FAULT``, says which.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path

import torch
from torch.utils._python_dispatch import _get_current_dispatch_mode

from engine_ext.installed import installed_version
from engine_ext.patch_embed import geometry
from engine_ext.patch_embed.linear import PatchLinear
from engine_ext.served import ServedModel, model
from tests.engines.faults import BY_NAME, ONE_RANK, UPDATE, remember

VARIABLE = "ENGINE_FAULT"
LOADS_IN_PLACE = (installed_version("vllm") or "").startswith("0.11.")
"""Updates are by `load_weights` there, into the tensors that serve."""
SITECUSTOMIZE = "from tests.engines import injection\n\ninjection.inject_into_this_process()\n"


@contextmanager
def injected(active):
    """Let the fault that ``active()`` names act on every replacement made and used meanwhile."""
    make, product, why_not = PatchLinear.from_conv, PatchLinear._project, geometry._why_not

    def now():
        return BY_NAME.get(active())

    def replace(conv):
        fault = now()
        replacement = fault.replaces(conv) if fault and fault.replaces else make(conv)
        for leaf, parameter in replacement.named_parameters():
            original = getattr(parameter, "weight_loader", None)
            parameter.weight_loader = _loader(active, leaf, original)
        return replacement

    @wraps(product)
    def compute(self, rows):
        fault = now()
        if fault is None or fault.product is None:
            remember(self)
            return product(self, rows)
        return fault.product(self, rows)

    PatchLinear.from_conv = staticmethod(replace)
    PatchLinear._project = compute
    geometry._why_not = lambda conv: None if now() else why_not(conv)
    try:
        yield
    finally:
        PatchLinear.from_conv, PatchLinear._project = make, product
        geometry._why_not = why_not


def _loader(active, leaf, original):
    """The loader of one parameter. A fault meets an update once, not the engine's way back."""
    met, last = "", None

    # vLLM finds the first argument by its name.
    def load(param, loaded, *arguments, **options):
        nonlocal met, last
        chosen = active()
        fault = BY_NAME.get(chosen)
        # vLLM counts what a layer is given before it loads it, by a mode that writes nothing.
        counting = param.is_meta or _get_current_dispatch_mode() is not None
        if fault and fault.arrives and chosen != met and not counting:
            met = chosen if fault.at == UPDATE else ""
            if last is not None and not LOADS_IN_PLACE:  # a reload of vLLM fills another tensor,
                param.data.copy_(last)  # whose values are any
            fault.arrives(leaf, param, loaded)
            return
        if original is not None:
            original(param, loaded, *arguments, **options)
        else:
            assert param.shape == loaded.shape, (param.shape, loaded.shape)
            param.data.copy_(loaded)
        if not counting:
            last = param.detach().clone()

    return load


def inject_into_this_process():
    """Let the file that ``ENGINE_FAULT`` names say which fault acts, from now to the end."""
    if VARIABLE not in os.environ:
        return
    if _named_in_the_file() == ONE_RANK:
        _leave_the_second_rank_stock()
    _stays.enter_context(injected(_named_in_the_file))


_stays = ExitStack()


def _leave_the_second_rank_stock():
    """There nothing is replaced and nobody answers for the model, as if the extension were off."""
    make = ServedModel.__init__

    def construct(self, model, *arguments):
        if torch.distributed.get_rank() == 1:
            self._layers = {}
        else:
            make(self, model, *arguments)

    ServedModel.__init__ = construct
    model.BUILD_SECONDS = 5


def _named_in_the_file():
    file = Path(os.environ[VARIABLE])
    return file.read_text() if file.exists() else ""


def activate(name):
    """Choose the fault that acts in the processes that were started with ``ENGINE_FAULT``."""
    Path(os.environ[VARIABLE]).write_text(name)


def environ(folder, fault=""):
    """Variables for an engine whose processes take faults from a file in ``folder``."""
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    (folder / "fault").write_text(fault)
    project = Path(__file__).parents[2]
    path = os.pathsep.join([str(folder), str(project), os.environ.get("PYTHONPATH", "")])
    return {VARIABLE: str(folder / "fault"), "PYTHONPATH": path}
