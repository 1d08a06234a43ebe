"""Modules in which every name exists, and what is called raises: SGLang imports more than it calls.

A stand-in calls `stand_in` with its own name. Of its submodules every one exists too.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

_standing_in: set[str] = set()


class _Absent(type):
    """A class whose attributes are such classes, so that ``Role.USER`` can be named."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return absent(f"{cls.__name__}.{name}")

    def __call__(cls, *_arguments: Any, **_options: Any) -> Any:
        raise NotImplementedError(f"{cls.__name__} is not implemented in this stand-in")


def absent(name: str) -> Any:
    """What can be named, imported and used as a type, and raises when it is called."""
    return _Absent(name, (), {})


def stand_in(name: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module that stands in for ``name``, a package at the top."""
    _standing_in.add(name)
    return names_of(name)


def names_of(module: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of one module of it."""

    def get(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return absent(f"{module}.{name}")

    return get


class _EverySubmodule(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        top, _, rest = fullname.partition(".")
        # SGLang has a stand-in of its own for scalar_type.
        if rest and top in _standing_in and fullname != "sgl_kernel.scalar_type":
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__getattr__"] = names_of(module.__name__)


sys.meta_path.append(_EverySubmodule())
