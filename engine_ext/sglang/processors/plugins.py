"""What a plugin does in the tokenizer's process, from the import on."""

from engine_ext.sglang import log, positions
from engine_ext.sglang.plugin import active_features

try:
    from sglang.srt.plugins import load_plugins
except ImportError:  # SGLang 0.5.10 and older have none
    if "mrope" in active_features():
        positions.replace()
else:
    log.reach_log_of_worker()
    load_plugins()  # in a worker of several, which loads none by itself; elsewhere it has
