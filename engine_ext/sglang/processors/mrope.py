"""Rope positions by the extension, from the import on."""

from engine_ext.sglang import positions
from engine_ext.sglang.plugin import active_features

if "mrope" in active_features():
    positions.replace()
