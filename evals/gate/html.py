"""The report as one self-contained page, `report.html`: no script, nothing to fetch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evals.gate import terminal
from evals.gate.plot import accuracy_by_subject

TEMPLATE = "report.html.j2"


def page(result: Mapping[str, Any]) -> str:
    """The page; replies and questions are text there, whatever they hold."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = [*result["subjects"], result["overall"]] if result["overall"] else []
    return templates.get_template(TEMPLATE).render(
        result=result,
        columns=terminal.COLUMNS,
        rows=[terminal.cells(row) for row in rows],
        conclusion=terminal.conclusion(result) if rows else None,
        plot=accuracy_by_subject(rows) if rows else None,
        lines=terminal.lines(result),
        logprob_columns=terminal.LOGPROB_COLUMNS,
        logprobs=[terminal.logprob_cells(one) for one in result["logprobs"]],
    )
