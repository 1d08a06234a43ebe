"""Builds the environments that tests, demo and training run in (``environments/build.py``)."""
