"""``SGLANG_EXTERNAL_MM_PROCESSOR_PACKAGE=engine_ext.sglang.processors``: rope positions.

The way into the tokenizer's process of SGLang 0.5.6 to 0.5.10, which load no plugins. SGLang
imports every module of this package there; none holds a processor.
"""
