"""``SGLANG_EXTERNAL_MM_PROCESSOR_PACKAGE=engine_ext.sglang.processors``: the tokenizer's process.

The way into it of SGLang 0.5.6 to 0.5.10, which load no plugins, and into the workers of newer ones
(``--tokenizer-worker-num``), which load none either. SGLang imports every module of this package
there; none holds a processor.
"""
