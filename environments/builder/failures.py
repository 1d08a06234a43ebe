"""What went wrong, in one line, read from the output of uv or pip."""

from __future__ import annotations

import re

NETWORK = re.compile(
    r"error sending request|dns error|network was disabled|connection (refused|reset)|"
    r"NewConnectionError|ConnectTimeoutError|ReadTimeoutError|ProxyError|timed out|"
    r"name resolution|Network is unreachable",
    re.IGNORECASE,
)
FULL = re.compile(r"No space left on device|os error 28\b|Disk quota exceeded", re.IGNORECASE)
PACKAGE = (
    re.compile(r"Failed to (?:download|fetch|build|read)[^`\n/]*`([A-Za-z0-9][\w.+=-]*)`"),
    re.compile(r"/([A-Za-z0-9]\w*(?:\.\w+)*-\d[\w.+]*)-[\w.]+-[\w.]+-[\w.]+\.whl"),
    re.compile(r"Failed to fetch: `?\S*/([\w.-]+)/?`?$", re.MULTILINE),
    re.compile(r"Because ([\w.-]+) was not found in the cache"),
    re.compile(r"No matching distribution found for (\S+)"),
    re.compile(r": /(?:\S*/)?simple/([\w.-]+)/"),
)


def is_network(output: str) -> bool:
    return bool(NETWORK.search(output))


def is_full(output: str) -> bool:
    return bool(FULL.search(output))


def package(output: str) -> str | None:
    """The package that could not be had, with its version where the output has it."""
    for pattern in PACKAGE:
        match = pattern.search(output)
        if match:
            return match[1]
    return None


def first_error(output: str) -> str:
    """The first line that states an error, with its first cause; else the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(error|ERROR)\b", line)]
    if not errors:
        return (lines or ["no output"])[-1]
    causes = [line for line in lines if line.startswith("cause: ")]
    return ": ".join([errors[0], *(cause[len("cause: ") :] for cause in causes[:1])])
