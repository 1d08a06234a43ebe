"""Draw the tables of docs/reliability.md anew from the records: ``python -m evals.reliability``."""

from __future__ import annotations

import argparse

from evals import PROJECT
from evals.pages import with_drawn
from evals.reliability.page import drawn

PAGE = PROJECT / "docs" / "reliability.md"


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    PAGE.write_text(with_drawn(PAGE.read_text(), drawn()))
    print(f"written: {PAGE.relative_to(PROJECT)}")


if __name__ == "__main__":
    main()
