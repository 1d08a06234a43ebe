"""Tables of a Markdown page that are drawn from recorded results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

END = "<!-- end -->"


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
