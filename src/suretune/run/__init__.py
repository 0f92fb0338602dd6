"""Floor 6: the only place that joins stages, guards and the run folder."""
