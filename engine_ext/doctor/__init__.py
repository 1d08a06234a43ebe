"""``engine-ext doctor``: what the extension would do here, what it does in a running server, and
what that is worth."""
