"""That the gate sees what it is there for: runs over right and wrong tiny checkpoints, recorded."""
