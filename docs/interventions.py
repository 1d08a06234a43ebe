"""The two tables of CONTRIBUTING.md: what each adapter reaches into."""

from __future__ import annotations

from collections.abc import Sequence

from engine_ext.interventions import Intervention
from engine_ext.sglang import interventions as sglang
from engine_ext.vllm import interventions as vllm
from evals.pages import table

COLUMNS = ("what", "how", "why", "versions", "upstream", "when it can go")


def drawn() -> dict[str, str]:
    """Each table by its name on the page."""
    return {
        "interventions sglang": _table(sglang.INTERVENTIONS),
        "interventions vllm": _table(vllm.INTERVENTIONS),
    }


def _table(rows: Sequence[Intervention]) -> str:
    lines = [
        [f"`{r.target}`", r.how, r.why, str(r.versions), r.upstream or "-", r.until] for r in rows
    ]
    return table(COLUMNS, lines)
