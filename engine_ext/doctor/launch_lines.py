"""What ``engine-ext doctor --status`` found, as lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine_ext.doctor.launches import RUNNING
from engine_ext.status import MODEL, SENDER


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Of `engine_ext.doctor.launches.examine`, a line for each thing it says."""
    yield f"launch    {report['launch']}"
    for one in report["processes"]:
        where = "" if one["state"] == RUNNING else f", {one['state']} ({one['host']})"
        yield f"process   {one['pid']}{where}: {'; '.join(_said(one))}"
    for problem in report["problems"]:
        yield f"problem   {problem}"
    for one in report["earlier"]:
        still = f", {one['running']} still running" if one["running"] else ""
        yield f"earlier   {one['launch']}: {one['processes']} processes{still}"
    is_well = not report["problems"]
    verdict = "all that are known of are there, and agree" if is_well else "see the problems"
    yield f"verdict   {verdict}"


def _said(one: Mapping[str, Any]) -> Iterator[str]:
    engine = f"{one.get('engine', '?')} {one.get('engine_version', '')}".rstrip()
    features = ", ".join(one.get("features", ())) or "nothing"
    yield f"engine_ext {one['engine_ext']} beside {engine}, on: {features}"
    if MODEL in one["roles"]:
        replaced = [each["name"] for each in one["modules"]]
        yield f"holds {one['architecture']}, replaced: {', '.join(replaced) or 'nothing'}"
    if SENDER in one["roles"]:
        for kind in one["sends"]:
            yield f"sends {kind}s as uint8"
        for kind, reason in one["as_before"].items():
            yield f"sends {kind}s as before ({reason})"
    if one["positions"]:
        yield f"positions by the extension: {', '.join(one['positions'])}"
