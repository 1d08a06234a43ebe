"""Evaluations: what shows that a replaced patch embedding leaves answers unchanged."""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = Path(os.environ.get("ENGINE_EXT_ENVS", PROJECT / ".envs"))
"""Of `environments/build.py`."""
