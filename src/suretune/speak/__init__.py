"""Floor 7: what a finished run, or a base, says when it is asked."""
