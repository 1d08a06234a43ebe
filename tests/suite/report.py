"""What a run of the suite prints: a line a test file, what failed, a table, the totals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

OUTCOMES = ("passed", "failed", "skipped")
FAILURE_LINES = 300
LAST_LINES = 40


@dataclass
class Result:
    """How one part or one build went. ``status`` is its exit status, None where it did not run."""

    name: str
    status: int | None = None
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    log: Path | None = None
    tests: bool = False
    reason: str = ""

    @property
    def good(self) -> bool:
        """It ended well, and ran a test if it has any."""
        return self.status == 0 and (not self.tests or self.counts["passed"] > 0)


def file_line(part: str, line: Mapping[str, object]) -> str:
    """``12.3 s  SGLang  tests/x.py: 3 passed, 1 skipped``."""
    counts = ", ".join(f"{line[outcome]} {outcome}" for outcome in OUTCOMES if line.get(outcome))
    mark = "FAILED " if line.get("failed") else ""
    return f"{line['seconds']:6.1f} s  {part:14} {mark}{line['file']}: {counts}"


def excerpt(output: str) -> str:
    """The failures of a pytest run, or the end of any other output."""
    start = re.search(r"^=+ (FAILURES|ERRORS) =+$", output, re.MULTILINE)
    lines = (output[start.start() :] if start else output).splitlines()
    kept = lines[:FAILURE_LINES] if start else lines[-LAST_LINES:]
    if start and len(lines) > FAILURE_LINES:
        kept += ["...", *lines[-LAST_LINES:]]
    return "\n".join(kept)


def table(results: Iterable[Result], total: float) -> str:
    """A row a build or part, and how long it took; they overlap, so the total is not their sum."""
    rows = [f"{'part':22} {'seconds':>7}  {'passed':>6} {'failed':>6} {'skipped':>7}"]
    for result in results:
        counts = [f"{result.counts[name]:>{len(name)}}" for name in OUTCOMES]
        shown = " ".join(counts) if result.tests else " " * 21
        note = "" if result.good else f"  {_what_is_wrong(result)}"
        rows.append(f"{result.name:22} {result.seconds:7.0f}  {shown}{note}".rstrip())
    rows.append(f"{'total, two at a time':22} {total:7.0f}")
    return "\n".join(rows)


def _what_is_wrong(result: Result) -> str:
    if result.status is None:
        return f"did not run: {result.reason}" if result.reason else "did not run"
    return "ran no test" if result.status == 0 else f"ended with status {result.status}"


def totals(results: Sequence[Result]) -> str:
    """``N passed, N failed, N skipped``. A part or build that failed without a failed test counts
    as one failed test, so the line says 0 failed only if all went well."""
    sums = {name: sum(result.counts[name] for result in results) for name in OUTCOMES}
    sums["failed"] += sum(1 for one in results if not one.good and not one.counts["failed"])
    return ", ".join(f"{sums[name]} {name}" for name in OUTCOMES)
