"""The subject that a question of MMMU names."""

import re


def subject(name: str) -> str:
    """`Art_Theory` of `validation_Art_Theory_12`; "all" of a name of another kind."""
    match = re.fullmatch(r"[^_]+_(.+)_\d+", name)
    return match[1] if match else "all"
