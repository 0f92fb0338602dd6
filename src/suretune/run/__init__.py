"""Floor 5: the only place that joins stages, guards and the run folder."""
