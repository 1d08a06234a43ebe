"""The subject that a question of MMMU names."""

import re
from collections.abc import Iterable, Sequence


def subject(name: str) -> str:
    """`Art_Theory` of `validation_Art_Theory_12`; "all" of a name of another kind."""
    match = re.fullmatch(r"[^_]+_(.+)_\d+", name)
    return match[1] if match else "all"


def unknown(wanted: Sequence[str], names: Iterable[str]) -> str | None:
    """What to say where none of the questions is of a subject that is wanted."""
    found = {subject(name) for name in names}
    missing = sorted(set(wanted) - found)
    if not missing:
        return None
    return f"no subject {', '.join(missing)}; found {', '.join(sorted(found))}"
