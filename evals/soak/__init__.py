"""``make soak``: half an hour of mixed and malformed requests against one engine.

Importing this package is cheap: the load generator reads it from an environment without an engine.
"""
