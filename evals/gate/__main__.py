"""``python -m evals.gate``: PASS (exit status 0), FAIL (1) or INVALID (2)."""

import sys
from importlib.util import find_spec

if __name__ == "__main__":
    if find_spec("lmms_eval") is None:
        print(
            f"no lmms-eval in {sys.executable}: python3.11 environments/build.py lmms-eval makes"
            " an environment that has it",
            file=sys.stderr,
        )
        sys.exit(2)
    try:
        from evals.gate.run import main
    except ImportError as error:  # by itself Python ends with 1, which is FAIL
        print(f"{sys.executable} cannot import the gate: {error!r}", file=sys.stderr)
        sys.exit(2)

    sys.exit(main())
