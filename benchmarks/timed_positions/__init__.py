"""For `SGLANG_EXTERNAL_MM_PROCESSOR_PACKAGE`: SGLang imports its modules where it tokenizes."""

FILE = "BENCHMARK_POSITIONS"
"""Environment variable: the file to which each request adds a line of milliseconds."""
