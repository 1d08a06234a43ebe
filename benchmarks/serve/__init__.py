"""Requests to real servers. Here is how servers beside those that are off and on are called."""

PIXELS, RESIZE = "pixels", "pixels, resize"
BEST = "off, its best settings"
"""Of SGLang: its scheduler hashes nothing."""
