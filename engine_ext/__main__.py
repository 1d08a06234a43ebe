"""``python -m engine_ext`` is ``engine-ext``."""

import sys

from engine_ext.cli import main

sys.exit(main())
