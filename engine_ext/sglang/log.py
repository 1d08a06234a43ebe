"""SGLang configures the root logger, so a logger below any name reaches its log."""

import logging

logger = logging.getLogger("sglang.engine_ext")


def reach_log_of_worker() -> None:
    """Write where uvicorn does, at its level, in a worker of several tokenizers.

    SGLang configures no logger there (0.5.11 to 0.5.23), so its own lines are lost; uvicorn, whose
    process it is, configures its own by ``--log-level-http`` or ``--log-level``.
    """
    if logger.hasHandlers():
        return
    uvicorn = logging.getLogger("uvicorn")
    logger.handlers = list(uvicorn.handlers)
    logger.setLevel(logging.getLogger("uvicorn.error").getEffectiveLevel())
