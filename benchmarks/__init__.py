"""Measurements: one file each, results as CSV in ``results/``."""
