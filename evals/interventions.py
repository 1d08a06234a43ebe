"""Draw the two tables of CONTRIBUTING.md anew: ``python -m evals.interventions``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from engine_ext.interventions import Intervention
from engine_ext.sglang import interventions as sglang
from engine_ext.vllm import interventions as vllm
from evals import PROJECT
from evals.pages import table, with_drawn

PAGE = PROJECT / "CONTRIBUTING.md"
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


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    PAGE.write_text(with_drawn(PAGE.read_text(), drawn()))
    print(f"written: {PAGE.relative_to(PROJECT)}")


if __name__ == "__main__":
    main()
