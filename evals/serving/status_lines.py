"""What the processes of a server wrote to the file that ``ENGINE_EXT_STATUS`` named."""

from __future__ import annotations

from pathlib import Path

from engine_ext.doctor import launches
from engine_ext.doctor.status_file import Line, read
from engine_ext.status import MODEL


class LaunchEnded(RuntimeError):
    """What wrote a status file runs no more, so it says nothing of a server that does."""


def of_all(path: Path) -> list[Line]:
    """The lines, oldest first; none when no process has written one.

    Raises:
        BadStatusFile: something else is in the file.
    """
    return read(path) if path.exists() and path.stat().st_size else []


def of_models(path: Path) -> list[Line]:
    """Those of the models, likewise."""
    return [line for line in of_all(path) if line["role"] == MODEL]


def of_running(path: Path) -> list[Line]:
    """Those of the newest launch, without those of processes that are known to have ended.

    Of another host's processes, or another container's, it is not known.

    Raises:
        BadStatusFile: something else is in the file.
        LaunchEnded: every process of the newest launch has.
    """
    lines = of_all(path)
    if not lines:
        return []
    newest = launches.examine(lines)
    ended = [_process(one) for one in newest["processes"] if one["state"] == launches.ENDED]
    own = [line for line in lines if line["launch"] == newest["launch"]]
    found = [line for line in own if _process(line) not in ended]
    if not found:
        raise LaunchEnded(
            f"{path}: the newest launch in it, {newest['launch']}, has ended; expected lines of a"
            " server that runs, or none of one without the extension: name its own status file"
        )
    return found


def _process(line: Line) -> tuple[object, ...]:
    return tuple(line[name] for name in ("host", "namespace", "pid", "started"))
