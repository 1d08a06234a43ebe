"""The tables of README.md, drawn from the checkpoints' reports.

python -m evals.checkpoints.tables    # rewrites them
"""

import json
from pathlib import Path

from evals.checkpoints import FAMILIES, path
from evals.pages import table, with_drawn

README = Path(__file__).parent / "README.md"
_GROUPS = {
    "digit": "digit",
    "color": "colour",
    "video": "video",
    "word": "word",
    "small": "small images",
    "large": "large images",
    "all": "all",
}


def with_tables(text: str) -> str:
    """README text `text` with its tables drawn anew between `<!-- NAME -->` and `<!-- end -->`."""
    reports = {
        family: json.loads((path(family) / "report.json").read_text()) for family in FAMILIES
    }
    drawn = {"quality": _quality(reports), "sensitivity": _sensitivity(reports)}
    return with_drawn(text, drawn)


def _quality(reports: dict[str, dict]) -> str:
    """A row for each family: shares of right answers by group, then margin, size and time."""
    columns = ["family", *_GROUPS.values(), "margin (nats)", "bytes of weights", "seconds"]
    rows = []
    for family, report in reports.items():
        figures = report["bfloat16"]
        shares = [f"{figures[group]['accuracy']:.3f}" for group in _GROUPS]
        margin, size = f"{figures['all']['margin_mean']:.1f}", f"{report['weight_bytes']:,}"
        rows.append([family, *shares, margin, size, str(report["training"]["seconds"])])
    return table(columns, rows)


def _sensitivity(reports: dict[str, dict]) -> str:
    """A row for each damage; a cell holds the shares of right digit / colour / video answers."""
    damages = list(dict.fromkeys(name for r in reports.values() for name in r["sensitivity"]))
    rows = []
    for damage in damages:
        row = [damage]
        for report in reports.values():
            if shares := report["sensitivity"].get(damage):
                kinds = ("digit", "color", "video")
                row.append(" / ".join(f"{shares[kind]:.2f}" for kind in kinds))
            else:
                row.append("no bias")
        rows.append(row)
    return table(["damage", *reports], rows)


def main() -> None:
    README.write_text(with_tables(README.read_text()))


if __name__ == "__main__":
    main()
