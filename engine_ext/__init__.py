"""Patch embeddings of vision-language models as one matrix product, for SGLang and vLLM.

Importing this package loads neither torch nor an engine: engines import it in every process to
read its entry points. The names below are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.2.0"

if TYPE_CHECKING:
    from engine_ext.patch_embed import PatchConv3d, Report, VerificationError, linearize, verify

__all__ = ["PatchConv3d", "Report", "VerificationError", "__version__", "linearize", "verify"]

if not TYPE_CHECKING:  # a type checker would take any name for one that there is

    def __getattr__(name: str) -> object:
        if name in __all__:
            return getattr(import_module("engine_ext.patch_embed"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
