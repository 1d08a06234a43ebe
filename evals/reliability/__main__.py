"""Draw the tables of docs/reliability.md anew from the records: ``python -m evals.reliability``."""

from evals import PROJECT
from evals.pages import redraw
from evals.reliability.page import drawn

PAGE = PROJECT / "docs" / "reliability.md"

if __name__ == "__main__":
    redraw(PAGE, drawn())
