"""What the processes of a server wrote to the file that ``ENGINE_EXT_STATUS`` named."""

from __future__ import annotations

from pathlib import Path

from engine_ext.doctor.status_file import Line, read
from engine_ext.status import MODEL


def of_all(path: Path) -> list[Line]:
    """The lines, oldest first; none when no process has written one.

    Raises:
        BadStatusFile: something else is in the file.
    """
    return read(path) if path.exists() and path.stat().st_size else []


def of_models(path: Path) -> list[Line]:
    """Those of the models, likewise."""
    return [line for line in of_all(path) if line["role"] == MODEL]
