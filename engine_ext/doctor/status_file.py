"""The file that ``ENGINE_EXT_STATUS`` named, read: whatever else is in it is an error.

`engine_ext.status` writes it.
"""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from engine_ext import __version__
from engine_ext.status import MODEL, POSITIONS, SENDER

Line = dict[str, Any]
TEXTS = ("launch", "time", "role", "host", "namespace", "started", "engine_ext")
ALWAYS: dict[str, type] = {**dict.fromkeys(TEXTS, str), "pid": int}
ENGINE: dict[str, type] = {"engine": str, "engine_version": str, "features": list}
FIELDS: dict[str, dict[str, type]] = {
    MODEL: {**ENGINE, "architecture": str, "modules": list, "part": int, "expects": dict},
    SENDER: {**ENGINE, "sends": list, "as_before": dict},
    POSITIONS: {"in_use": list},
}
"""What a line says by its role, and of what type, beside what it says always."""


class BadStatusFile(ValueError):
    """A file that processes of this version have not written; the message is one line."""


def read(path: Path) -> list[Line]:
    """The lines of a status file, oldest first.

    Raises:
        BadStatusFile: there is none, or something else is in it.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # to read a pipe may be to wait forever
            raise BadStatusFile(f"{path}: no regular file, expected what ENGINE_EXT_STATUS named")
        text = path.read_bytes().decode()
    except OSError as error:
        raise BadStatusFile(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadStatusFile(f"{path}: no text, expected a JSON object a line") from None
    if not text.strip():
        raise BadStatusFile(f"{path}: empty, no process has written its line yet")
    return [_parsed(line, f"{path}, line {n}") for n, line in enumerate(text.splitlines(), 1)]


def _parsed(text: str, where: str) -> Line:
    try:
        line: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadStatusFile(f"{where}: no JSON ({error})") from None
    if not isinstance(line, dict):
        raise BadStatusFile(f"{where}: expected a JSON object, found {type(line).__name__}")
    for name, kind in {**ALWAYS, **FIELDS.get(str(line.get("role")), {})}.items():
        if not isinstance(value := line.get(name), kind):
            wrong = f"{where}: {name!r} is {value!r}, expected {kind.__name__}"
            raise BadStatusFile(f"{wrong}{_by_another_version(line)}")
    return dict(line)


def _by_another_version(line: Line) -> str:
    wrote = line.get("engine_ext", __version__)
    return (
        "" if wrote == __version__ else f" ({wrote} of engine_ext wrote it, this is {__version__})"
    )
