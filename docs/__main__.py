"""Everything in the documents that is drawn: tables, pictures, and the page of the Python API.

python -m docs            # draws it anew: make docs
python -m docs --check    # says what is not as drawn, and draws nothing: part of make lint
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Mapping

from benchmarks import page as benchmarks
from docs import api, compatibility, interventions
from evals import PROJECT
from evals.checkpoints import tables as checkpoints
from evals.gate_proof import page as gate
from evals.pages import with_drawn
from evals.reliability import page as reliability

PAGES: dict[str, Callable[[], Mapping[str, str]]] = {
    "CONTRIBUTING.md": interventions.drawn,
    "docs/api.md": api.drawn,
    "docs/benchmarks.md": benchmarks.drawn,
    "docs/compatibility.md": compatibility.drawn,
    "docs/gate.md": gate.drawn,
    "docs/reliability.md": reliability.drawn,
    "evals/checkpoints/README.md": checkpoints.drawn,
}
"""Each page, and what is drawn in it by its places there."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="exit status 1 if a page differs")
    is_check = parser.parse_args().check
    differing = []
    for name, draw in PAGES.items():
        page = PROJECT / name
        text = page.read_text()
        if (drawn := with_drawn(text, draw())) != text:
            differing.append(name)
            if not is_check:
                page.write_text(drawn)
    if is_check:
        return _said(differing)
    subprocess.run([sys.executable, "-m", "benchmarks.plot"], check=True, cwd=PROJECT)
    print(f"changed: {', '.join(differing) or 'no page'}")
    return 0


def _said(differing: list[str]) -> int:
    for name in differing:
        print(f"{name} is not as drawn: make docs", file=sys.stderr)
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
