"""Runs the parts of the test suite in two lanes: ``make test``."""
