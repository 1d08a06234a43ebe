"""The Python API as docs/api.md shows it: signatures and docstrings, read from the sources."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from types import ModuleType

import griffe

from evals import PROJECT

MODULES = ("engine_ext", "engine_ext.patch_embed", "engine_ext.mrope")
"""What users import, a name where it is first."""
SECTIONS = {
    "parameters": "Arguments",
    "attributes": "Attributes",
    "returns": "Returns",
    "raises": "Raises",
}


def drawn() -> dict[str, str]:
    """The part of the page about each module, by its place there."""
    package = griffe.load(
        "engine_ext",
        search_paths=[PROJECT],
        docstring_parser=griffe.Parser.google,
        docstring_options={"returns_multiple_items": False, "returns_named_value": False},
    )
    drawn: dict[str, str] = {}
    known = {"__version__"}
    for module in map(import_module, MODULES):
        names = set(module.__all__) - known
        drawn[module.__name__] = "\n".join(_module(package, module, names))
        known |= names
    return drawn


def _module(package: griffe.Object, module: ModuleType, names: Iterable[str]) -> Iterator[str]:
    for name in sorted(names, key=str.lower):
        # Where it is defined: a module and its function may have one name.
        where = getattr(module, name).__module__.removeprefix(f"{package.name}.")
        yield from _object(package[f"{where}.{name}"], 3)


def _object(thing: griffe.Object, level: int) -> Iterator[str]:
    yield f"{'#' * level} `{thing.name}`\n"
    yield f"```python\n{_signature(thing)}\n```\n"
    if thing.docstring is not None:
        for section in thing.docstring.parsed:
            yield from _section(section)
    if thing.is_class:
        for member in thing.members.values():
            if member.is_public and not member.is_alias and member.docstring is not None:
                yield from _object(member, level + 1)


def _signature(thing: griffe.Object) -> str:
    if thing.is_function:
        head = "@classmethod\n" if "classmethod" in thing.labels else ""
        return head + _formatted(f"def {thing.signature()}: ...").removesuffix(": ...")
    if not thing.is_class:
        return f"{thing.name}: {thing.annotation}" if thing.annotation else thing.name
    if "dataclass" in thing.labels:
        fields = (each for each in thing.parameters if each.name != "self")
        return (
            f"class {thing.name}({', '.join(f'{each.name}: {each.annotation}' for each in fields)})"
        )
    bases = ", ".join(str(base) for base in thing.bases)
    return f"class {thing.name}({bases})" if bases else f"class {thing.name}"


def _formatted(code: str) -> str:
    ruff = [sys.executable, "-m", "ruff", "format", "--quiet", "-"]
    return subprocess.run(ruff, input=code, capture_output=True, text=True, check=True).stdout[:-1]


def _section(section: griffe.DocstringSection) -> Iterator[str]:
    kind = section.kind.value
    if kind == "text":
        yield f"{section.value}\n"
    elif kind in SECTIONS:
        yield f"*{SECTIONS[kind]}*\n"
        yield from _items(section.value)
        yield ""


def _items(items: Iterable[griffe.DocstringElement]) -> Iterator[str]:
    for item in items:
        name = getattr(item, "name", "") or (str(item.annotation) if item.annotation else "")
        text = " ".join(item.description.split())
        yield f"- `{name}`: {text}" if name else f"- {text}"
