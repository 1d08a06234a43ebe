"""What ``engine-ext doctor --status`` found, as lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine_ext.doctor.launches import ENDED, RUNNING
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
    yield f"verdict   {_verdict(report)}"


def _verdict(report: Mapping[str, Any]) -> str:
    states = [one["state"] for one in report["processes"]]
    unseen = sum(state not in (RUNNING, ENDED) for state in states)
    if not unseen:
        well = "all that are known of are there, and agree"
        return "see the problems" if report["problems"] else well
    judged = "see the problems" if report["problems"] else "all that are known of agree"
    not_known = f"whether {unseen} of {len(states)} processes still run is not known from here"
    return f"{judged}; {not_known}"


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
