"""Where the project and the environments of `environments/build.py` lie."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = Path(os.environ.get("ENGINE_EXT_ENVS", PROJECT / ".envs"))
