"""SGLang configures the root logger, so a logger below any name reaches its log."""

import logging

logger = logging.getLogger("sglang.engine_ext")


def reach_log_of_worker() -> None:
    """Write where uvicorn does, at its level, in a worker of several tokenizers.

    SGLang sets no level there (0.5.11 to 0.5.23), so what its own loggers say at info level is
    lost; uvicorn, whose process it is, has the one of ``--log-level-http`` or ``--log-level``.
    """
    uvicorn = logging.getLogger("uvicorn")
    if uvicorn.handlers and not logger.isEnabledFor(logging.INFO):
        logger.handlers = list(uvicorn.handlers)
        logger.setLevel(logging.getLogger("uvicorn.error").getEffectiveLevel())
        logger.propagate = False
