"""Engines as their own commands start them on this machine, and what asks them."""
