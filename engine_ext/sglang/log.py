"""SGLang configures the root logger, so a logger below any name reaches its log."""

import logging

logger = logging.getLogger("sglang.engine_ext")
