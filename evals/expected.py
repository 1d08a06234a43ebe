"""What is expected of the answers of a server over one of the tiny checkpoints."""

LOGPROB_TOLERANCE = 2e-2
"""Half-precision servers differ by this much when only the order of additions differs."""
SHARE_RIGHT = 0.8
"""The checkpoints answer over 93 % of such questions; far fewer means that images are not seen."""
