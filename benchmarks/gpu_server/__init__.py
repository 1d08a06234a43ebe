"""SGLang servers on a GPU. Here is how their rows call things."""

EQUAL = "equal"
"""What was measured of answers: how far they are from stock's."""
DEFAULT, AGAIN = "default", "off, asked again"
"""Servers beside those that are off and on: nothing is named; what answers move by on their own."""
