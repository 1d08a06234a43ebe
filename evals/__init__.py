"""Evaluations: what shows that a replaced patch embedding leaves answers unchanged."""
