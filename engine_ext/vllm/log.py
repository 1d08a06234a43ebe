"""The engine's own log: only loggers below ``vllm`` reach it."""

from vllm.logger import init_logger

logger = init_logger("vllm.engine_ext")
