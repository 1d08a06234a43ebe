"""``ENGINE_EXT_STATUS``: what the processes of a launch do, one JSON line each time one says it.

A process that holds a model says what was replaced in it, one that makes requests ready what it
sends. All append to the same file, so a line is written in one call: lines of concurrent processes
do not mix. `engine_ext.doctor.status_file` reads them.
"""

from __future__ import annotations

import json
import logging
import os
import platform
from collections.abc import Mapping, MutableMapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from engine_ext import __version__

VARIABLE = "ENGINE_EXT_STATUS"
LAUNCH = "ENGINE_EXT_LAUNCH"
"""The name of a launch. Its first process sets it, the others inherit it; an operator who sets it
has several commands read as one."""
MODEL, SENDER, POSITIONS = "model", "sender", "positions"
"""Of what a line speaks: a model that is loaded, what a process sends, whose rope positions."""


def begin(environ: MutableMapping[str, str] = os.environ) -> None:
    """Name the launch if nobody has: to be called before a process starts others."""
    if environ.get(VARIABLE):
        environ.setdefault(LAUNCH, f"{_now()}-{platform.node()}-{os.getpid()}")


def record(
    role: str,
    line: Mapping[str, Any],
    logger: logging.Logger,
    environ: MutableMapping[str, str] = os.environ,
) -> None:
    """Append a line to the status file, if one is named. A failure is an error in the log."""
    path = environ.get(VARIABLE)
    if not path:
        return
    begin(environ)
    said = {
        "launch": environ[LAUNCH],
        "time": _now(),
        "role": role,
        "host": platform.node(),
        "namespace": namespace(),
        "pid": os.getpid(),
        "started": started(os.getpid()),
        "engine_ext": __version__,
        **line,
    }
    data = (json.dumps(said) + "\n").encode()
    try:
        # O_NONBLOCK: a pipe that nobody reads is an error then, and not a wait.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
        descriptor = os.open(path, flags, 0o644)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)
    except OSError as error:
        # The engine matters more than the record of it.
        logger.error("engine_ext: cannot write %s: %s", VARIABLE, error)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def namespace() -> str:
    """In which the numbers of processes count: a container has its own. Empty outside Linux."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def started(pid: int) -> str:
    """When a process began, in ticks since the machine did; empty where there is none.

    Numbers of processes come again: with this one it is the same process or another.
    """
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state == "Z" else fields[18]  # the 22nd, by proc(5)
