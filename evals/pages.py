"""Pages with tables that are drawn from recorded results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from engine_ext.versions import parse_version

END = "<!-- end -->"
NAMES = {"sglang": "SGLang", "vllm": "vLLM"}
"""Engines as pages name and order them."""


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def with_drawn(text: str, drawn: Mapping[str, str]) -> str:
    """``text`` with what stands between ``<!-- NAME -->`` and ``<!-- end -->`` replaced.

    Raises:
        ValueError: the page has no such place, or more than one.
    """
    for name, content in drawn.items():
        begin = f"<!-- {name} -->"
        if text.count(begin) != 1:
            raise ValueError(f"{text.count(begin)} places {begin} on the page, expected one")
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{content}\n{rest[rest.index(END) :]}"
    return text


def titled(engine: str, version: str) -> str:
    return f"{NAMES[engine]} {version}"


def in_order(engines: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """(engine, version) pairs by engine, the newest version of each first."""
    newest_first = sorted(engines, key=lambda one: parse_version(one[1]), reverse=True)
    return sorted(newest_first, key=lambda one: list(NAMES).index(one[0]))
