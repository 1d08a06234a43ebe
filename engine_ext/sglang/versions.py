"""The SGLang versions this adapter has been tried on, and since when SGLang has which hook."""

from engine_ext.versions import TriedVersions

TRIED = TriedVersions((0, 5, 6), (0, 5, 24), "0.5.6 to 0.5.23")
PLUGINS_SINCE = (0, 5, 11)
"""SGLang loads entry points of the group ``sglang.srt.plugins`` from this version on."""
EXTERNAL_VARIABLE = "SGLANG_EXTERNAL_MODEL_PACKAGE"
EXTERNAL_PACKAGE = "engine_ext.sglang.external"
"""For older ones, and for processes of newer ones that load no plugins."""
PROCESSORS_VARIABLE = "SGLANG_EXTERNAL_MM_PROCESSOR_PACKAGE"
PROCESSOR_PACKAGE = "engine_ext.sglang.processors"
"""The same, in the tokenizer's process."""
