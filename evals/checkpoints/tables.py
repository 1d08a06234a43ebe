"""The tables of README.md, drawn from the checkpoints' reports."""

import json

from evals.checkpoints import FAMILIES, path
from evals.pages import table

_GROUPS = {
    "digit": "digit",
    "color": "colour",
    "video": "video",
    "word": "word",
    "small": "small images",
    "large": "large images",
    "all": "all",
}


def drawn() -> dict[str, str]:
    """Each table by its name on the page."""
    reports = {
        family: json.loads((path(family) / "report.json").read_text()) for family in FAMILIES
    }
    return {"quality": _quality(reports), "sensitivity": _sensitivity(reports)}


def _quality(reports: dict[str, dict]) -> str:
    """A row for each family: shares of right answers by group, then margin, size and time."""
    rows = []
    for family, report in reports.items():
        figures = report["bfloat16"]
        shares = [f"{figures[group]['accuracy']:.3f}" for group in _GROUPS]
        margin, size = f"{figures['all']['margin_mean']:.1f}", f"{report['weight_bytes']:,}"
        rows.append([family, *shares, margin, size, str(report["training"]["seconds"])])
    return table(["family", *_GROUPS.values(), "margin", "bytes of weights", "seconds"], rows)


def _sensitivity(reports: dict[str, dict]) -> str:
    """A row for each damage; a cell holds the shares of right digit / colour / video answers."""

    def cell(report: dict, damage: str) -> str:
        if shares := report["sensitivity"].get(damage):
            return " / ".join(f"{shares[kind]:.2f}" for kind in ("digit", "color", "video"))
        return "no bias"

    damages = dict.fromkeys(name for r in reports.values() for name in r["sensitivity"])
    rows = [[damage, *(cell(r, damage) for r in reports.values())] for damage in damages]
    return table(["damage", *reports], rows)
