"""Which classes of a Python package can build a 3-D convolution, read from its sources.

Nothing is imported: a model registry names hundreds of classes, and importing one can take
seconds. A class counts when its body, or a class or function of the same package that it names
(a base class, its vision tower, the patch embedding in that), names a 3-D convolution layer.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from functools import cached_property, lru_cache
from pathlib import Path

CONV3D_LAYERS = frozenset({"Conv3d", "Conv3dLayer", "Qwen2_5_VisionPatchEmbed"})
"""The last is a class of transformers that holds one; SGLang 0.5.18 and older import it."""

Definition = tuple[str, str]
"""(module, top-level name)."""


class SourceScan:
    """The sources of ``package`` below ``root``, limited to the subpackages in ``parts``."""

    def __init__(self, root: Path, package: str, parts: Collection[str]) -> None:
        self._files = {
            _module_name(file.relative_to(root), package): file
            for part in parts
            for file in sorted((root / part).rglob("*.py"))
        }
        self._parse = lru_cache(maxsize=None)(self._parse_uncached)

    def reaches_conv3d(self, module: str, class_name: str) -> bool:
        """Whether ``class_name`` of ``module`` leads to a 3-D convolution layer."""
        waiting, seen = [(module, class_name)], set()
        while waiting:
            definition = waiting.pop()
            if definition in seen or definition[0] not in self._relevant:
                continue
            seen.add(definition)
            names = self._names_used(definition)
            if names & CONV3D_LAYERS:
                return True
            waiting.extend(self._resolve(definition[0], name) for name in names)
        return False

    @cached_property
    def _relevant(self) -> frozenset[str]:
        """Modules that name a 3-D convolution or import, however far, from one that does."""
        texts = {module: file.read_text() for module, file in self._files.items()}
        imports = {module: set(self._imported_modules(module, texts[module])) for module in texts}
        relevant = {m for m, text in texts.items() if any(layer in text for layer in CONV3D_LAYERS)}
        grown = True
        while grown:
            more = {m for m, targets in imports.items() if targets & relevant} - relevant
            relevant |= more
            grown = bool(more)
        return frozenset(relevant)

    def _imported_modules(self, module: str, text: str) -> Iterator[str]:
        for source, names in re.findall(r"from\s+([.\w]+)\s+import\s+(\([^)]*\)|[^\n]*)", text):
            target = self._absolute(module, source)
            yield target
            for name in re.findall(r"\w+", names):
                yield f"{target}.{name}"

    def _absolute(self, module: str, source: str) -> str:
        level = len(source) - len(source.lstrip("."))
        if level == 0:
            return source
        is_package = self._files[module].name == "__init__.py"
        parents = module.split(".")
        base = parents[: len(parents) - level + is_package]
        return ".".join([*base, source.lstrip(".")]).rstrip(".")

    def _parse_uncached(self, module: str) -> tuple[dict[str, set[str]], dict[str, Definition]]:
        """Names used by each top-level definition, and where imported names come from."""
        tree = ast.parse(self._files[module].read_text())
        used = {
            node.name: {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
            | {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)} & CONV3D_LAYERS
            for node in tree.body
            if isinstance(node, (ast.ClassDef, ast.FunctionDef))
        }
        origins = {
            alias.asname or alias.name: (
                self._absolute(module, "." * node.level + (node.module or "")),
                alias.name,
            )
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        return used, origins

    def _names_used(self, definition: Definition) -> set[str]:
        module, name = definition
        used, origins = self._parse(module)
        if name in used:
            return used[name]
        return {name} if name in origins else set()  # re-exported: follow it

    def _resolve(self, module: str, name: str) -> Definition:
        used, origins = self._parse(module)
        return (module, name) if name in used else origins.get(name, (module, name))


def _module_name(file: Path, package: str) -> str:
    parts = list(file.with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join([package, *parts])
