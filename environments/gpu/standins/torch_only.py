"""Makes SGLang 0.5.14 compute on a GPU by torch and Triton, without kernels of its own.

Its layers choose a method by platform: here the one in plain torch. Its kernels that are compiled
at the first call are not: where it asks whether it can have one, the answer is no.
``STANDINS_COMPILE=1`` leaves the latter as they are.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

Change = Callable[[Any], None]


def _choose_native(module: Any) -> None:
    operator = module.MultiPlatformOp

    def dispatch_forward(self: Any) -> Any:
        is_native = type(self).forward_native is not operator.forward_native
        return self.forward_native if is_native else self.forward_cuda

    operator.dispatch_forward = dispatch_forward


def _compile_nothing(module: Any) -> None:
    def load_jit(*arguments: Any, **_: Any) -> Any:
        raise NotImplementedError(f"{arguments[0]} is not compiled in this stand-in")

    module.load_jit = load_jit


def _clamp_by_torch(module: Any) -> None:
    import torch

    def clamp_position_cuda(seq_lens: Any) -> Any:
        return torch.clamp(seq_lens - 1, min=0)

    module.clamp_position_cuda = clamp_position_cuda


CHANGES: dict[str, Change] = {
    "sglang.srt.layers.utils.multi_platform": _choose_native,
    "sglang.jit_kernel.utils": _compile_nothing,
    "sglang.jit_kernel.clamp_position": _clamp_by_torch,
}


def install() -> None:
    """Change these modules as they are imported, and those that have been, now."""
    changes = dict(CHANGES)
    if os.environ.get("STANDINS_COMPILE") == "1":
        changes = {"sglang.srt.layers.utils.multi_platform": _choose_native}
    for name in [name for name in changes if name in sys.modules]:
        changes.pop(name)(sys.modules[name])
    _describe_no_absent_operators()
    sys.meta_path.insert(0, _AfterImport(changes))


def _describe_no_absent_operators() -> None:
    """SGLang says to torch what shapes its kernels give, one unasked (layers/moe/topk.py)."""
    import torch

    register = torch.library.register_fake

    def register_fake(operator: Any, *arguments: Any, **options: Any) -> Any:
        space, _, name = operator.partition("::") if isinstance(operator, str) else ("", "", "")
        if space == "sgl_kernel" and not hasattr(torch.ops.sgl_kernel, name):
            return lambda function: function
        return register(operator, *arguments, **options)

    torch.library.register_fake = register_fake


class _AfterImport(importlib.abc.MetaPathFinder):
    """Lets others find a module, and changes it once it has been imported."""

    def __init__(self, waiting: dict[str, Change]) -> None:
        self.waiting = waiting

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        change = self.waiting.pop(fullname, None)
        spec = importlib.util.find_spec(fullname) if change else None
        if change is None or spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_change(module: ModuleType) -> None:
            execute(module)
            change(module)

        spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec
