"""Stands in for SGLang's kernel package, whose builds on PyPI are for GPUs only.

SGLang imports kernels by name all over its model code and calls, on a CPU without AMX, hardly any
of them. Here every name exists, and one that is not implemented raises when it is called. For the
test environments only, never shipped. Can go when PyPI has a CPU build of ``sglang-kernel``.
"""

import importlib.abc
import importlib.machinery
import sys

import torch

__version__ = "0.4.10"


def assign_req_to_token_pool_cpu(
    request_indices, token_pool, starts, ends, cache_locations, *_pool_width
):
    """Write where each request's new tokens lie in the cache into its row of the pool."""
    taken = 0
    for row, start, end in zip(request_indices, starts, ends, strict=True):
        new = cache_locations[taken : taken + int(end - start)]
        token_pool[int(row), int(start) : int(end)] = new.to(token_pool.dtype)
        taken += len(new)


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return _not_here(f"sgl_kernel.{name}")


def _not_here(name):
    def kernel(*_arguments, **_options):
        raise NotImplementedError(f"{name} is not implemented in this stand-in")

    kernel.__name__ = name
    return kernel


def _fused_sigmoid_mul_cpu(values, gate):
    values.mul_(torch.sigmoid(gate.float()).to(values.dtype))


# Model code of SGLang takes these from torch.ops on a CPU when it is imported (qwen3_5.py).
torch.ops.sgl_kernel.fused_sigmoid_mul_cpu = _fused_sigmoid_mul_cpu
for _name in (
    "fused_moe_router_cpu",
    "fused_qk_gemma_rmsnorm_cpu",
    "fused_qk_gemma_rmsnorm_with_gate_cpu",
    "fused_qkvzba_split_reshape_cat_contiguous_cpu",
    "rmsnorm_cpu",
    "fused_dual_residual_rmsnorm_cpu",
):
    setattr(torch.ops.sgl_kernel, _name, _not_here(f"torch.ops.sgl_kernel.{_name}"))


class _EverySubmodule(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes ``sgl_kernel.anything`` importable, as a module with the names of this one."""

    def find_spec(self, name, path=None, target=None):
        # SGLang has a stand-in of its own for scalar_type.
        if name.startswith("sgl_kernel.") and name != "sgl_kernel.scalar_type":
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        module.__getattr__ = __getattr__


sys.meta_path.append(_EverySubmodule())
