"""``ENGINE_EXT_STATUS``: what was replaced, where, and how well it verified, one JSON line a model.

Every process that holds a model appends to the same file, so a line is written in one call: lines
of concurrent processes do not mix.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VARIABLE = "ENGINE_EXT_STATUS"


def record(line: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> None:
    """Append ``line`` to the status file, if one is named.

    Raises:
        OSError: the file cannot be written.
    """
    path = environ.get(VARIABLE)
    if not path:
        return
    data = (json.dumps(line) + "\n").encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def read(path: str | Path) -> list[dict[str, Any]]:
    """The lines of a status file, oldest first; empty when no process has written one."""
    file = Path(path)
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines()]
