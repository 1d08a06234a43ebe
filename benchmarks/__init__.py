"""Measurements: a folder for each thing that is measured, results as CSV in ``results/``."""
