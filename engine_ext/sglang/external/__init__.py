"""``SGLANG_EXTERNAL_MODEL_PACKAGE=engine_ext.sglang.external``: the overrides as a model package.

The way in for SGLang 0.5.6 to 0.5.10, which load no plugins. SGLang imports every module of this
package and registers the classes its ``EntryClass`` lists.
"""
