"""Engines as the page names and orders them."""

from __future__ import annotations

from collections.abc import Iterable

from engine_ext.versions import parse_version

NAMES = {"sglang": "SGLang", "vllm": "vLLM"}


def titled(engine: str, version: str) -> str:
    return f"{NAMES[engine]} {version}"


def in_order(engines: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """(engine, version) pairs by engine, the newest version of each first."""
    newest_first = sorted(engines, key=lambda one: parse_version(one[1]), reverse=True)
    return sorted(newest_first, key=lambda one: list(NAMES).index(one[0]))
